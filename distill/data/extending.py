"""A task with changed copies of its texts."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from datasets import Dataset

from distill.data.splits import Split, joined_splits, text_hashes
from distill.data.tasks import LABEL, TaskData
from pocketbert.files import fingerprint


def extended(data: TaskData, rows: Dataset, message: str) -> TaskData:
    """Return a task with these copies behind its unlabelled texts, but for those whose text is there already.

    Args:
        data: the task.
        rows: its text columns alone.
        message: what the copies are.
    """
    parts = [data.train, data.evaluation, *([] if data.unlabelled is None else [data.unlabelled])]
    more = _split(rows)
    fresh = ~np.isin(more.hashes, np.concatenate([_split(part).hashes for part in parts]))
    first = np.zeros(len(more), dtype=bool)
    first[np.unique(more.hashes, return_index=True)[1]] = True
    kept = more.take(fresh & first)
    messages = [f"{len(kept):,} {message}."]
    if len(kept) < len(more):
        messages.append(
            f"{len(more) - len(kept):,} copies dropped: their text is in the data already, or another copy's."
        )
    extra = kept if data.unlabelled is None else joined_splits([_split(data.unlabelled), kept])
    return replace(
        data,
        unlabelled=extra.dataset(),
        augmented=len(kept),
        messages=(*data.messages, *messages),
        fingerprint=fingerprint([data.fingerprint, kept.digest()]),
    )


def _split(rows: Dataset) -> Split:
    table: pa.Table = rows.with_format("arrow")[:]
    texts = table.drop_columns([LABEL]) if LABEL in table.column_names else table
    return Split(texts, text_hashes(texts))
