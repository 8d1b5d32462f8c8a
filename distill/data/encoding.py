"""Text to token ids, and batches padded to their own longest row."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerBase

MODEL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def encode(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    """Tokenise `text` (and `text_pair`) into `input_ids`, …, `labels` and `length`.

    Args:
        dataset: columns as `TaskData` has them.
        tokenizer: a fast tokenizer.
        max_length: tokens kept per row, special ones included.
    """

    def tokenise(batch: Mapping[str, list[str]]) -> dict[str, list[Any]]:
        rows = tokenizer(batch["text"], batch.get("text_pair"), truncation=True, max_length=max_length)
        columns = {name: rows[name] for name in MODEL_INPUTS if name in rows}
        return columns | {"length": [len(ids) for ids in columns["input_ids"]]}

    encoded = dataset.map(tokenise, batched=True, batch_size=4096, remove_columns=_texts(dataset))
    return encoded.rename_column("label", "labels") if "label" in encoded.column_names else encoded


def _texts(dataset: Dataset) -> list[str]:
    return [name for name in ("text", "text_pair") if name in dataset.column_names]


class Collator(Protocol):
    """Makes a batch of encoded rows."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the arguments of a model or a Distiller."""
        ...


class PaddingCollator:
    """Pads a list of encoded rows to the longest of them; rows without an `attention_mask` get one.

    Args:
        padding_id: the tokenizer's id of `[PAD]`.
        multiple_of: lengths are rounded up to it (8 helps tensor cores; 1 wastes nothing on a CPU).
    """

    def __init__(self, padding_id: int, multiple_of: int = 1) -> None:
        self._fill = {"input_ids": padding_id, "attention_mask": 0, "token_type_ids": 0}
        self._multiple_of = multiple_of

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return tensors: the model's inputs [B, L]; other columns [B] or [B, C]."""
        longest = max(len(row["input_ids"]) for row in rows)
        length = -(-longest // self._multiple_of) * self._multiple_of
        batch = {}
        for name in rows[0]:
            values = [row[name] for row in rows]
            batch[name] = self._padded(name, values, length) if name in self._fill else torch.as_tensor(values)
        if "attention_mask" not in batch:
            real = [[1] * len(row["input_ids"]) for row in rows]
            batch["attention_mask"] = self._padded("attention_mask", real, length)
        return batch

    def _padded(self, name: str, rows: Sequence[Sequence[int]], length: int) -> Tensor:
        table = np.full((len(rows), length), self._fill[name], dtype=np.int64)
        for index, row in enumerate(rows):
            table[index, : len(row)] = row
        return torch.from_numpy(table)
