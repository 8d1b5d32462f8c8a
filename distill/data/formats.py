"""Files to tables: one reader a format, found by the file's suffix."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Features

from distill.data.delimited import read_csv, read_tsv
from distill.data.jsonlines import read_jsonl
from distill.data.tables import Table, not_utf8
from pocketbert.errors import UserError


def read_parquet(path: Path) -> Table:
    """Read a Parquet file; class names that `datasets` wrote into it are kept.

    Raises:
        UserError: not a Parquet file, or no rows.
    """
    try:
        data = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is not a Parquet file that can be read ({str(error).splitlines()[0]}).") from None
    if not data.num_rows:
        raise UserError(f"{path} has no rows: add rows.")
    twice = next((name for name in data.column_names if data.column_names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path} has two columns named '{twice}': rename one.")
    return arrow_table(str(path), data)


def arrow_table(name: str, data: pa.Table) -> Table:
    """Wrap an Arrow table: dictionaries become plain values, declared class names are kept."""
    names = _class_names(data.schema)
    for index, column in enumerate(data.schema):
        if pa.types.is_dictionary(column.type):
            data = data.set_column(index, column.name, data[column.name].cast(column.type.value_type))
        elif pa.types.is_string_view(column.type):
            data = data.set_column(index, column.name, data[column.name].cast(pa.string()))
    return Table(name, data, None, names)


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    try:
        features = Features.from_arrow_schema(schema)
    except (ValueError, KeyError, TypeError):  # metadata that says nothing to us
        return {}
    return {name: tuple(value.names) for name, value in features.items() if isinstance(value, ClassLabel)}


def read_txt(path: Path, column: str) -> Table:
    """Read plain text, one text a line, blank lines passed over, as the one column named.

    Raises:
        UserError: empty or not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as stream:
            found = [(number, line.strip()) for number, line in enumerate(stream, 1) if line.strip()]
    except UnicodeDecodeError:
        raise not_utf8(path) from None
    if not found:
        raise UserError(f"{path} is empty: it needs one text per line.")
    lines, texts = zip(*found, strict=True)
    return Table(str(path), pa.table({column: pa.array(texts, pa.string())}), np.asarray(lines, dtype=np.int64))


READERS: dict[str, Callable[[Path], Table]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".json": read_jsonl,
    ".parquet": read_parquet,
}


def read_table(path: Path) -> Table:
    """Read one file in the format that its suffix names.

    Raises:
        UserError: an unknown suffix, or what the format's reader refuses.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path} has the suffix '{path.suffix}', which is none of {', '.join(READERS)}: convert it.")
    try:
        return reader(path)
    except PermissionError:
        raise UserError(f"{path} can't be read (no permission).") from None
