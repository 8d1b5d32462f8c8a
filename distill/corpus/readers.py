"""Texts of a corpus out of files and tables: one reader a format, each text once and in order."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distill.data.folders import missing_path
from distill.data.tables import not_utf8
from pocketbert.errors import UserError

SUFFIXES = (".txt", ".jsonl", ".parquet")
COLUMN = "text"
ROWS_AT_ONCE = 256  # a text may be as long as a book


def text_files(path: Path) -> list[Path]:
    """Return a file, or those below a folder, in order.

    Raises:
        UserError: there is none of a known format.
    """
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


def read_texts(file: Path) -> Iterator[str]:
    """Read a file's texts.

    Raises:
        UserError: naming the place of what is wrong.
    """
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
        table = pq.ParquetFile(file)
        _check_column(table.schema_arrow.names, str(file))
        yield from of_batches(table.iter_batches(ROWS_AT_ONCE, columns=[COLUMN]), str(file))
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{file} is not a Parquet file that can be read ({str(error).splitlines()[0]}).") from None


def of_batches(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[str]:
    """Read the texts of a table's parts.

    Raises:
        UserError: it has no column `text`, or one of other things.
    """
    for batch in batches:
        _check_column(batch.schema.names, name)
        yield from _checked(batch.column(COLUMN).to_pylist(), name)


def _check_column(names: Sequence[str], where: str) -> None:
    if COLUMN not in names:
        raise UserError(f"{where} has no column '{COLUMN}'; it has {', '.join(names)}.")


def _checked(values: Sequence[Any], where: str) -> Iterator[str]:
    for value in values:
        if value is not None and not isinstance(value, str):
            raise UserError(f"{where}: '{COLUMN}' holds {value!r}, which is no text.")
        if value and value.strip():
            yield value.strip().encode("utf-8", "replace").decode()  # JSON can hold half a character
