"""TSV (no quoting: a quote is a character) and CSV (with quoting), both with a header row."""

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from distill.data.tables import Table, broken, not_utf8
from pocketbert.errors import UserError

ROWS_PER_CHUNK = 50_000
MOST_LABELS = 200
OTHER_DELIMITERS = (";", "\t", ",", "|")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")


def read_tsv(path: Path) -> Table:
    """Read a TSV file; every column is text.

    Raises:
        UserError: empty, header only, not UTF-8, or a line with another number of fields.
    """
    return _read(path, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_csv(path: Path) -> Table:
    """Read a CSV file; every column is text.

    Raises:
        UserError: empty, header only, not UTF-8, a quote that is never closed, or a line with another number of fields.
    """
    return _read(path, delimiter=",", quoting=csv.QUOTE_MINIMAL, strict=True)


def _read(path: Path, **dialect: Any) -> Table:  # noqa: ANN401  (csv's own arguments)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            records = _records(path, csv.reader(stream, **dialect))
            header = _header(path, records)
            chunks, lines = _chunks(path, header, records)
    except UnicodeDecodeError:
        raise not_utf8(path) from None
    if not chunks:
        raise UserError(f"{path} has a header row ({', '.join(header)}) and no rows below it: add rows.")
    _require_names(path, header, [name for name in header if _is_value(name, chunks[0][name])])
    return Table(str(path), pa.concat_tables(chunks), np.asarray(lines, dtype=np.int64))


def _records(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401  (csv.reader has no type)
    """Yield the line that a record begins on, and its fields; blank lines are passed over."""
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            quoted = reader.dialect.quoting != csv.QUOTE_NONE
            remedy = "look for a quote that is not closed" if quoted else "shorten or remove it"
            raise broken(path, line, f"can't be read ({error})", remedy) from None
        if fields:
            yield line, fields


def _header(path: Path, records: Iterator[tuple[int, list[str]]]) -> list[str]:
    first = next(records, None)
    if first is None:
        raise UserError(f"{path} is empty: it needs a header row with the columns' names and a row per example.")
    names = [name.strip() for name in first[1]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{path} has the column {twice[0]!r} twice: give every column a name of its own.")
    other = next((sign for sign in OTHER_DELIMITERS if sign in names[0]), None)
    if len(names) == 1 and other is not None:
        raise UserError(
            f"{path} has one column, {names[0]!r}: are its fields divided by {other!r}? .csv takes commas, .tsv tabs."
        )
    _require_names(path, names, [name for name in names if NUMBER.fullmatch(name)])
    return names


def _require_names(path: Path, names: list[str], values: list[str]) -> None:
    """Refuse a first line that is a row: it would be lost without a word."""
    if values:
        raise UserError(
            f"{path}: its first line ({', '.join(names)[:80]}) looks like a row, since {values[0]!r} is a value: "
            "put a line with the columns' names above it."
        )


def _is_value(name: str, column: pa.ChunkedArray) -> bool:
    """Tell whether a column's name stands in it more than once, among few other values: a label."""
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()}
    return counts.get(name, 0) > 1 and len(counts) <= MOST_LABELS


def _chunks(
    path: Path, header: list[str], records: Iterator[tuple[int, list[str]]]
) -> tuple[list[pa.Table], list[int]]:
    chunks, lines = [], []
    while rows := list(islice(records, ROWS_PER_CHUNK)):
        for line, fields in rows:
            if len(fields) != len(header):
                raise broken(path, line, f"{len(fields)} fields where the header has {len(header)}")
            lines.append(line)
        columns = zip(*(fields for _, fields in rows), strict=True)
        chunks.append(pa.table([pa.array(column, pa.string()) for column in columns], names=header))
    return chunks, lines
