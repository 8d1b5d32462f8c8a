"""Rows of one split in the project's columns, with a hash of each row's text to choose rows by."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from numpy.typing import NDArray

from distill.data.columns import Columns
from distill.data.labels import LabelCoding, encode_labels
from distill.data.tables import Table
from distill.data.tasks import LABEL, TEXT, TEXT_PAIR
from pocketbert.errors import UserError
from pocketbert.files import text_hash

EVALUATION_SHARE = 10  # every tenth text


@dataclass(frozen=True)
class Split:
    """Rows of one split.

    Attributes:
        data: columns `text`, (`text_pair`), (`label`).
        hashes: uint64 [N], of the texts alone: equal texts have equal hashes.
        dropped: rows left out because a text was empty.
    """

    data: pa.Table
    hashes: NDArray[np.uint64]
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, chosen: NDArray[np.bool_]) -> "Split":
        """Return the rows that are marked, in their order."""
        return Split(self.data.filter(pa.array(chosen)), self.hashes[chosen])

    def lowest(self, count: int | None) -> "Split":
        """Return the `count` rows of the lowest hashes (all if None), in their order."""
        if count is None or count >= len(self):
            return self
        chosen = np.zeros(len(self), dtype=bool)
        chosen[self.order()[:count]] = True
        return self.take(chosen)

    def order(self) -> NDArray[np.int64]:
        """Return the row numbers in the order of the hashes, which has nothing to do with the file's order."""
        return np.argsort(self.hashes, kind="stable")

    def without_labels(self) -> "Split":
        """Return the same rows without the label column."""
        return Split(self.data.drop_columns([LABEL]), self.hashes)

    def digest(self) -> str:
        """Return a hash of the rows' content."""
        state = hashlib.sha256(self.hashes.tobytes())
        if LABEL in self.data.column_names:
            state.update(self.data[LABEL].to_numpy().tobytes())
        return state.hexdigest()

    def dataset(self) -> Dataset:
        """Return the rows as a `datasets.Dataset`."""
        return Dataset(self.data, fingerprint=self.digest()[:16])


def make_split(table: Table, texts: tuple[str, ...], label: str | None, coding: LabelCoding | None) -> Split:
    """Turn a table into the project's columns; rows with an empty text are dropped and counted.

    Raises:
        UserError: a text column holds no text, all texts are empty, or a label is wrong.
    """
    columns = {name: _texts(table, column) for name, column in zip((TEXT, TEXT_PAIR), texts, strict=False)}
    if label is not None and coding is not None:
        columns[LABEL] = encode_labels(table, label, coding)
    data = pa.table(columns)
    full = np.ones(len(data), dtype=bool)
    for name in (TEXT, TEXT_PAIR)[: len(texts)]:
        full &= pc.not_equal(data[name], "").to_numpy()
    if not full.any():
        raise UserError(f"{table.name}: column '{texts[0]}' has empty texts only: name another one with --text-column.")
    data = data.filter(pa.array(full)) if not full.all() else data
    return Split(data, text_hashes(data), int((~full).sum()))


def joined_splits(splits: Sequence[Split]) -> Split:
    """Return the rows of several splits with the same columns as one."""
    return Split(pa.concat_tables([split.data for split in splits]), np.concatenate([split.hashes for split in splits]))


def split_off(rows: Split, name: str, columns: Columns) -> tuple[Split, Split]:
    """Split about a tenth off by the texts' hash, so that equal texts stay on one side.

    Raises:
        UserError: there are too few rows.
    """
    chosen = rows.hashes % np.uint64(EVALUATION_SHARE) == 0
    if not chosen.any() or chosen.all():
        raise UserError(
            f"{name} has {len(rows)} rows, too few to split an evaluation part off: put train and dev files into a "
            f"folder, with the columns {', '.join((*columns.texts, columns.label))}."
        )
    return rows.take(~chosen), rows.take(chosen)


def text_hashes(data: pa.Table) -> NDArray[np.uint64]:
    """Return a hash of each row's text, or of its two: uint64 [N]."""
    columns = [data[name].to_pylist() for name in (TEXT, TEXT_PAIR) if name in data.column_names]
    return np.fromiter((text_hash(*texts) for texts in zip(*columns, strict=True)), dtype=np.uint64, count=len(data))


def _texts(table: Table, column: str) -> pa.ChunkedArray:
    values = table.data[column]
    if pa.types.is_nested(values.type):
        raise UserError(
            f"{table.name}: column '{column}' holds lists or objects, not text: name another with --text-column."
        )
    if not pa.types.is_string(values.type):
        try:
            values = values.cast(pa.string())
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{table.name}: column '{column}' can't be read as text ({reason}).") from None
    return pc.utf8_trim_whitespace(pc.fill_null(values, ""))
