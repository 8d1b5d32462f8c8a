"""A folder or a file on this machine: which files are the train and evaluation splits."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from distill.data.formats import READERS, read_table
from distill.data.tables import Table, joined
from pocketbert.errors import UserError

TRAIN_NAMES = ("train", "training")
EVALUATION_NAMES = ("dev", "validation", "valid", "val", "validation_matched", "dev_matched", "test")
SHARD = re.compile(r"-\d+-of-\d+$")


@dataclass(frozen=True)
class Source:
    """What a source holds before columns are looked for.

    Attributes:
        name: short, for titles.
        train: the train split, or all rows.
        evaluation: None when a part of the train rows must be split off.
        messages: what was taken.
    """

    name: str
    train: Table
    evaluation: Table | None
    messages: tuple[str, ...] = ()


def open_path(path: Path) -> Source:
    """Read a folder's train and evaluation files, or one file.

    Raises:
        UserError: the path is missing, the folder has no train file, or a file can't be read.
    """
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise missing_path(path)
    return Source(path.stem, read_table(path), None)


def missing_path(path: Path) -> UserError:
    """Return the error for a path that is not there, with near matches from its parent folder."""
    parent = path.parent
    if not parent.is_dir():
        return UserError(f"no file or folder {path}: there is no folder {parent} either.")
    names = sorted(entry.name for entry in parent.iterdir())
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        return UserError(f"no file or folder {path}: did you mean {' or '.join(str(parent / name) for name in near)}?")
    return UserError(f"no file or folder {path}: {parent} holds {_listing(names)}.")


def _open_folder(folder: Path) -> Source:
    files = sorted(entry for entry in folder.iterdir() if entry.is_file() and entry.suffix.lower() in READERS)
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(SHARD.sub("", file.stem.lower()), []).append(file)
    train = next((name for name in TRAIN_NAMES if name in splits), None)
    if train is None:
        raise _no_train_file(folder, files)
    evaluation = next((name for name in EVALUATION_NAMES if name in splits), None)
    train_table = _read(splits[train])
    name = folder.resolve().name
    if evaluation is None:
        return Source(name, train_table, None, (f"train: {_names(splits[train])}.",))
    note = " (there is no dev file)" if evaluation == "test" else ""
    message = f"train: {_names(splits[train])}; evaluation: {_names(splits[evaluation])}{note}."
    return Source(name, train_table, _read(splits[evaluation]), (message,))


def _read(files: list[Path]) -> Table:
    if len({SHARD.search(file.stem) is None for file in files}) > 1 or (
        len(files) > 1 and not SHARD.search(files[0].stem)
    ):
        raise UserError(f"{files[0].parent} holds {_names(files)}, which are the same split: keep one of them.")
    return joined([read_table(file) for file in files])


def _no_train_file(folder: Path, files: list[Path]) -> UserError:
    wanted = f"a file such as train.tsv (or {', '.join('train' + suffix for suffix in list(READERS)[1:])})"
    if files:
        return UserError(
            f"{folder} has no train file, it holds {_names(files)}: it needs {wanted}, or name one file itself."
        )
    held = _listing(sorted(entry.name for entry in folder.iterdir()))
    return UserError(f"{folder} has no train file, it holds {held}: it needs {wanted}.")


def _names(files: list[Path]) -> str:
    return _listing([file.name for file in files])


def _listing(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + more
