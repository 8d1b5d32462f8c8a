"""The store of fine-tuned teachers: kept in the run's folder, found again by the next run.

The training itself is the pipeline's plain stage (gold labels alone); this file knows the settings' key and
where the result lies.
"""

import os
import shutil
from pathlib import Path

from pocketbert.files import read_json, write_json

MARK = "finetuned.json"


def find_finetuned(key: str, run_folder: Path) -> Path | None:
    """Return the folder of a teacher fine-tuned with this key, by this run or by one in a folder beside it.

    Args:
        key: stands for teacher weights, data and settings.
        run_folder: the run's folder.
    """
    candidates = [*sorted(run_folder.glob("teacher*")), *sorted(run_folder.parent.glob("*/teacher*"))]
    return next((folder for folder in candidates if _key_of(folder) == key), None)


def adopt(source: Path, target: Path) -> Path:
    """Give a run its own copy of a fine-tuned teacher (hard links where the file system has them)."""
    if source.resolve() == target.resolve():
        return target
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, copy_function=_link_or_copy, ignore=shutil.ignore_patterns("checkpoint-*"))
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target


def mark_finetuned(folder: Path, key: str, facts: dict[str, object]) -> None:
    """Write the mark that says the folder is whole, last of all."""
    write_json(folder / MARK, {"key": key, **facts})


def _key_of(folder: Path) -> str | None:
    try:
        return str(read_json(folder / MARK)["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
