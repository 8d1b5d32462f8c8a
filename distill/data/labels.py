"""Label columns to class ids or values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from distill.data.tables import Table
from distill.metrics import Kind
from pocketbert.errors import UserError

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
CLASSES_AT_EASE = 50
ROWS_PER_CLASS = 10
LARGEST = 1e18
"""Larger numbers are no targets: their squares must fit float32."""


@dataclass(frozen=True)
class LabelCoding:
    """How labels become numbers.

    Attributes:
        kind: classification or regression.
        names: class names in the order of their ids; () for regression.
        reason: why it is taken for that kind.
    """

    kind: Kind
    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class _Values:
    """A label column as its distinct values (as written) and, for each row, which of them it has."""

    table: Table
    column: str
    distinct: tuple[str, ...]
    indices: NDArray[np.int64]

    def first(self, value: str) -> str:
        return self.table.where(int(np.argmax(self.indices == self.distinct.index(value))))


def decide_coding(table: Table, column: str, regression: bool | None = None) -> LabelCoding:
    """Decide from the train rows whether labels are classes or values, and order the classes.

    Args:
        table: the train rows.
        column: the label column.
        regression: True or False forces the kind; None looks at the values.

    Raises:
        UserError: rows without a label, one class only, a target that is no number, or far too many classes.
    """
    declared = table.class_names.get(column, ())
    values = _read_values(table, column)
    numbers = {value: _number(value) for value in values.distinct}
    if regression or (regression is None and not declared and _are_values(values, numbers)):
        _require_numbers(values, numbers)
        if len(values.distinct) < 2:
            raise UserError(
                f"{table.name}: column '{column}' holds {values.distinct[0]} in every row: nothing to learn."
            )
        return LabelCoding("regression", (), "asked for" if regression else "the labels are numbers of a scale")
    names, reason = _names(values, numbers), "asked for" if regression is False else f"{len(values.distinct)} values"
    if declared:
        names, reason = declared, "declared by the source"
    if len(values.distinct) < 2:
        raise UserError(
            f"{table.name}: column '{column}' holds one class only ({values.distinct[0]!r} in all "
            f"{len(values.indices):,} rows): at least two are needed; another column can be named with --label-column."
        )
    return LabelCoding("classification", names, reason)


def encode_labels(table: Table, column: str, coding: LabelCoding) -> pa.Array:
    """Return class ids (int64) or values (float32), one a row.

    Raises:
        UserError: rows without a label, a label that is no class of the train rows, a target that is no number.
    """
    values = _read_values(table, column)
    numbers = {value: _number(value) for value in values.distinct}
    if coding.kind == "regression":
        _require_numbers(values, numbers)
        targets = np.array([numbers[value] for value in values.distinct], dtype=np.float32)
        return pa.array(targets[values.indices])
    if table.class_names.get(column):
        return pa.array(_declared_ids(values, coding))
    ids = {name: number for number, name in enumerate(coding.names)}
    found = [ids.get(value, ids.get(_tidy(value, numbers[value]))) for value in values.distinct]
    strange = [value for value, number in zip(values.distinct, found, strict=True) if number is None]
    if strange:
        raise UserError(
            f"{table.name} has labels that the train rows don't have: {_some(strange)} (the first in "
            f"{values.first(strange[0])}); train has {_some(coding.names)}: mend the labels or add such rows to train."
        )
    return pa.array(np.array(found, dtype=np.int64)[values.indices])


def _read_values(table: Table, column: str) -> _Values:
    data = table.data[column]
    if pa.types.is_nested(data.type):
        raise UserError(
            f"{table.name}: column '{column}' holds lists or objects, not labels: name another with --label-column."
        )
    data = data.cast(pa.string()) if pa.types.is_null(data.type) else data
    coded = data.combine_chunks().dictionary_encode()
    written = [_written(value) for value in coded.dictionary.to_pylist()]
    position = {value: number for number, value in enumerate(dict.fromkeys(written))}
    positions = np.array([position[value] for value in written], dtype=np.int64)
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    missing = np.isin(codes, [-1, *(number for number, value in enumerate(written) if not value)])
    if table.class_names.get(column):
        missing |= np.isin(codes, [number for number, value in enumerate(written) if value.startswith("-")])
    if missing.any():
        raise UserError(
            f"{table.where(int(np.argmax(missing)))}: no label in column '{column}' ({missing.sum():,} such rows): "
            "give them labels, or move them to a file for unlabelled text."
        )
    return _Values(table, column, tuple(position), positions[codes])


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    return str(value).strip()


def _number(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text) and abs(float(text)) <= LARGEST else None


def _are_values(values: _Values, numbers: dict[str, float | None]) -> bool:
    """Whether labels look like values of a scale: fractions among them, or too many whole numbers for classes."""
    known = [number for number in numbers.values() if number is not None]
    rows = len(values.indices)
    crowded = len(numbers) > CLASSES_AT_EASE and len(numbers) * ROWS_PER_CLASS > rows
    if 2 * len(known) > len(numbers):
        return crowded or any(not number.is_integer() for number in known)
    if crowded:
        raise UserError(
            f"{values.table.name}: column '{values.column}' has {len(numbers):,} different values in {rows:,} rows, "
            "which are no classes: name another with --label-column (or give --no-regression if they are)."
        )
    return False


def _require_numbers(values: _Values, numbers: dict[str, float | None]) -> None:
    wrong = [value for value, number in numbers.items() if number is None]
    if wrong:
        what = "too large" if NUMBER.fullmatch(wrong[0]) else "not a number"
        raise UserError(
            f"{values.first(wrong[0])}: the target in column '{values.column}' is {what}: {wrong[0]!r}; mend it, "
            "or give --no-regression if the column holds classes."
        )


def _names(values: _Values, numbers: dict[str, float | None]) -> tuple[str, ...]:
    known = {value: number for value, number in numbers.items() if number is not None}
    if len(known) < len(numbers):
        return tuple(sorted(values.distinct))
    return tuple(dict.fromkeys(_tidy(value, known[value]) for value in sorted(known, key=known.__getitem__)))


def _tidy(value: str, number: float | None) -> str:
    """Return one spelling for 1, 1.0 and +1."""
    return f"{number:.15g}" if number is not None else value


def _declared_ids(values: _Values, coding: LabelCoding) -> NDArray[np.int64]:
    ids = np.array([int(value) for value in values.distinct], dtype=np.int64)
    if ids.max() >= len(coding.names):
        raise UserError(f"{values.table.name}: label {ids.max()} but only {len(coding.names)} classes are declared.")
    return ids[values.indices]


def _some(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more
