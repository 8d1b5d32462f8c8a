"""The texts of a corpus, one after another: files, a folder of files, a Hub dataset, or installed docstrings."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distill.data.apidocs import LIBRARIES, installed_version
from distill.data.docstrings import library_folder, whole_docstrings
from distill.data.folders import missing_path
from distill.data.hub import check_in_reach, looks_like_hub_id, open_hub
from distill.data.tables import not_utf8
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, sha256

CORPUS = "corpus"
SUFFIXES = (".txt", ".jsonl", ".parquet")
COLUMN = "text"
DOCUMENTED = LIBRARIES | {"numpy": "numpy", "networkx": "networkx", "datasets": "datasets", "optuna": "optuna"}
"""Libraries whose docstrings are the embedded corpus, where they are installed."""


@dataclass(frozen=True)
class Texts:
    """A corpus before it is tokenised.

    Attributes:
        name: short, for titles.
        fingerprint: stands for its content.
        read: begins to read it; every text comes once, in the same order each time.
        size: about how many characters it has; None where that is not known before it is read.
    """

    name: str
    fingerprint: str
    read: Callable[[], Iterator[str]]
    size: int | None = None


def is_corpus(source: str) -> bool:
    """Tell whether a `--data` names a corpus: `corpus`, or `corpus:PATH`."""
    return source == CORPUS or source.startswith(f"{CORPUS}:")


def check_corpus(source: str) -> None:
    """Refuse a corpus that is not there, without reading it.

    Raises:
        UserError: see `open_texts`.
    """
    place = source.removeprefix(CORPUS).removeprefix(":")
    if source.endswith(":"):
        raise UserError(f"--data {source} names no path: write --data corpus for the embedded one.")
    if place:
        path = Path(place).expanduser()
        check_in_reach(place) if _on_hub(path, place) else _files(path)


def _on_hub(path: Path, place: str) -> bool:
    return not path.exists() and looks_like_hub_id(place) and not path.parent.is_dir()


def open_texts(source: str) -> Texts:
    """Find a corpus; nothing but file names and checksums is read.

    Args:
        source: `corpus` for the docstrings of the installed libraries, `corpus:PATH` for a file or a folder of text
            (a text a line), JSONL or Parquet (column `text`), or `corpus:HUB/ID`.

    Raises:
        UserError: there is no such thing, or it holds no file of a known format.
    """
    place = source.removeprefix(CORPUS).removeprefix(":")
    if not place:
        versions = {name: installed_version(name, distribution) for name, distribution in DOCUMENTED.items()}
        folders = [folder for name in versions if (folder := library_folder(name)) is not None]
        return Texts("docstrings", fingerprint(versions), lambda: whole_docstrings(folders))
    path = Path(place).expanduser()
    if _on_hub(path, place):
        table = open_hub(place).train
        return Texts(place, fingerprint([place, len(table.data)]), lambda: _of_batches(table.data.to_batches(), place))
    files = _files(path)
    checksums = [sha256(file) for file in files]
    size = sum(file.stat().st_size for file in files) if all(file.suffix.lower() == ".txt" for file in files) else None
    return Texts(path.stem, fingerprint(checksums), lambda: (text for file in files for text in _read(file)), size)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise missing_path(path)
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"corpus {path}: its suffix is none of {', '.join(SUFFIXES)}: convert it.")
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"corpus {path}: no file in that folder ends in {', '.join(SUFFIXES)}.")
    return files


def _read(file: Path) -> Iterator[str]:
    readers = {".txt": _of_lines, ".jsonl": _of_json_lines, ".parquet": _of_parquet}
    try:
        yield from readers[file.suffix.lower()](file)
    except UnicodeDecodeError:
        raise not_utf8(file) from None
    except PermissionError:
        raise UserError(f"{file} can't be read (no permission).") from None


def _of_lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as stream:
        yield from (text for line in stream if (text := line.strip()))


def _of_json_lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield from _checked([_json(line, file, number)], f"{file}, line {number}")


def _json(line: str, file: Path, number: int) -> Any:  # noqa: ANN401  (anything JSON can hold)
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{file}, line {number}: not JSON ({error.msg}).") from None
    if not isinstance(row, Mapping) or COLUMN not in row:
        raise UserError(f"{file}, line {number}: no object with the key '{COLUMN}'.")
    return row[COLUMN]


def _of_parquet(file: Path) -> Iterator[str]:
    try:
        yield from _of_batches(pq.ParquetFile(file).iter_batches(), str(file))
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{file} is not a Parquet file that can be read ({str(error).splitlines()[0]}).") from None


def _of_batches(batches: Iterator[pa.RecordBatch] | Sequence[pa.RecordBatch], name: str) -> Iterator[str]:
    for batch in batches:
        if COLUMN not in batch.schema.names:
            raise UserError(f"{name} has no column '{COLUMN}'; it has {', '.join(batch.schema.names)}.")
        yield from _checked(batch.column(COLUMN).to_pylist(), name)


def _checked(values: Sequence[Any], where: str) -> Iterator[str]:
    for value in values:
        if value is not None and not isinstance(value, str):
            raise UserError(f"{where}: '{COLUMN}' holds {value!r}, which is no text.")
        if value and value.strip():
            yield value.strip().encode("utf-8", "replace").decode()  # JSON can hold half a character
