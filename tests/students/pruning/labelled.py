"""Random texts with labels, and the families' tiny models."""

import torch

from tests.students.models import batches

FAMILIES = ("bert", "roberta", "electra", "electra-narrow", "distilbert")


def labelled(count: int = 3, rows: int = 16, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    texts = batches(count, rows, seed)
    for batch in texts:
        batch["labels"] = batch["input_ids"][:, 0] % 2
    return texts


def padded(texts: list[dict[str, torch.Tensor]], by: int) -> list[dict[str, torch.Tensor]]:
    """The same texts with more padding behind them."""

    def longer(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        fill = {"input_ids": 1, "attention_mask": 0}
        return {
            name: torch.nn.functional.pad(values, (0, by), value=fill[name]) if name in fill else values
            for name, values in batch.items()
        }

    return [longer(batch) for batch in texts]
