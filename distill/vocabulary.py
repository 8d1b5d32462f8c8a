"""The part of its teacher's vocabulary that a student of a task reads."""

from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from distill.data.tasks import TaskData
from students.vocabulary import Trimmed, check_size, trim

BATCH = 4096


Counts = NDArray[np.int64]


def training_counts(data: TaskData, tokenizer: PreTrainedTokenizerBase, longest: int) -> Counts:
    """Return how often each piece stands in a task's training text, unlabelled text included, [largest number + 1].

    Args:
        data: the task.
        tokenizer: the teacher's.
        longest: tokens of a text that are read.
    """
    training = [data.train, *([] if data.unlabelled is None else [data.unlabelled])]
    return sum((_counts(rows, tokenizer, longest) for rows in training), start=np.zeros(1, np.int64))


def trimmed_for(data: TaskData, tokenizer: PreTrainedTokenizerBase, size: int, longest: int) -> tuple[Trimmed, str]:
    """Trim a vocabulary to the pieces that a task's training text uses most; also return a line on what that leaves.

    Args:
        data: the task.
        tokenizer: the teacher's.
        size: pieces to keep.
        longest: tokens of a text that are read.

    Raises:
        DoesNotFit: see `students.vocabulary.check_size`.
    """
    check_size(tokenizer, size)
    counts = training_counts(data, tokenizer, longest)
    trimmed = trim(tokenizer, counts, size)
    held_out = _counts(data.evaluation, tokenizer, longest)
    lost = 1 - held_out[list(trimmed.kept)].sum() / max(1, held_out.sum())
    return trimmed, (
        f"vocabulary: {size:,} of {len(tokenizer):,} pieces (the training text uses {int((counts > 0).sum()):,}); "
        f"{100 * lost:.1f} % of the evaluation text's are not among them and are read as smaller ones"
    )


def _counts(rows: Dataset, tokenizer: PreTrainedTokenizerBase, longest: int) -> Counts:
    """Return how often each piece stands in a split's texts, [largest number + 1]."""
    total = np.zeros(max(tokenizer.get_vocab().values()) + 1, np.int64)
    for column in (name for name in ("text", "text_pair") if name in rows.column_names):
        for batch in rows.iter(BATCH):
            pieces: list[Any] = tokenizer(batch[column], add_special_tokens=False, truncation=True, max_length=longest)[
                "input_ids"
            ]
            total += np.bincount(np.concatenate([np.asarray(ids, np.int64) for ids in pieces]), minlength=len(total))
    return total
