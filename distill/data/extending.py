"""A task with changed copies of its texts."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from datasets import Dataset

from distill.data.splits import Split, joined_splits, text_hashes
from distill.data.tasks import LABEL, TaskData
from pocketbert.files import fingerprint


def extended(data: TaskData, rows: Dataset, message: str) -> TaskData:
    """Return a task with these copies behind its unlabelled texts, but for those that stand in evaluation.

    Args:
        data: the task.
        rows: its text columns alone.
        message: what the copies are.
    """
    evaluation, more = _split(data.evaluation), _split(rows)
    fresh = ~np.isin(more.hashes, evaluation.hashes)
    kept = more.take(fresh)
    messages = [f"{len(kept):,} {message}."]
    if len(kept) < len(more):
        messages.append(f"{len(more) - len(kept):,} of them dropped: their text stands in evaluation.")
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
