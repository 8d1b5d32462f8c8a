"""A run's texts as the models of one tokenizer read them."""

from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from transformers import PreTrainedTokenizerBase

from distill.data.encoding import PaddingCollator, encode
from distill.data.sampling import lengths_of
from distill.data.tasks import Task, TaskData
from distill.losses import IGNORED_LABEL


@dataclass(frozen=True)
class Rows:
    """Encoded rows.

    Attributes:
        labelled: training rows with gold labels.
        training: labelled rows and, where there are any, the ones without (label -100 or NaN).
        evaluation: of the evaluation split.
        found: training rows that are not changed copies of others.
        truncated: training rows that were cut at the maximum length.
    """

    labelled: Dataset
    training: Dataset
    evaluation: Dataset
    found: Dataset
    truncated: int


@dataclass(frozen=True)
class Reading:
    """One tokenizer's rows; those of two tokenizers are of the same texts in the same order.

    Attributes:
        tokenizer: makes the tokens.
        rows: encoded.
        collator: pads batches.
    """

    tokenizer: PreTrainedTokenizerBase
    rows: Rows
    collator: PaddingCollator


def read(data: TaskData, tokenizer: PreTrainedTokenizerBase, longest: int) -> Reading:
    """Encode a task's texts.

    Args:
        data: the task with its rows.
        tokenizer: a fast tokenizer.
        longest: tokens kept of a row.
    """
    collator = PaddingCollator(tokenizer.pad_token_id, 8 if torch.cuda.is_available() else 1)
    return Reading(tokenizer, _encode(data, tokenizer, longest), collator)


def _encode(data: TaskData, tokenizer: PreTrainedTokenizerBase, longest: int) -> Rows:
    labelled = _standardised(encode(data.train, tokenizer, longest), data.task)
    training = labelled
    if data.unlabelled is not None and len(data.unlabelled):
        filler = float("nan") if data.task.kind == "regression" else IGNORED_LABEL
        extra = encode(data.unlabelled, tokenizer, longest)
        extra = extra.add_column("labels", np.full(len(extra), filler, np.asarray(labelled["labels"][:1]).dtype))
        training = concatenate_datasets([labelled, extra.cast(labelled.features)])
    truncated = int((lengths_of(training) == longest).sum())
    found = training.select(range(len(training) - data.augmented))
    return Rows(labelled, training, encode(data.evaluation, tokenizer, longest), found, truncated)


def _standardised(rows: Dataset, task: Task) -> Dataset:
    if task.kind == "classification":
        return rows
    targets = task.standardised(np.asarray(rows["labels"][:]))
    return rows.remove_columns("labels").add_column("labels", targets).cast(rows.features)
