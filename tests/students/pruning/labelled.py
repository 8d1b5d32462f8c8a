"""Random texts with labels, and what is kept of a tiny model, in layers that differ and in layers that are alike."""

import torch

from students.pruning.kept import Kept
from tests.students.models import batches

FAMILIES = ("bert", "roberta", "electra", "electra-narrow", "distilbert")

UNEVEN = Kept(
    hidden=tuple(range(24)),
    layers=(0, 2, 3),
    heads=((1,), (0, 1, 2, 3), (0, 2)),
    feed_forward=(tuple(range(8)), tuple(range(64)), tuple(range(40))),
    head=tuple(range(24)),
)
EVEN = Kept(
    hidden=tuple(range(4, 28)),
    layers=(1, 2),
    heads=((0, 1, 3), (1, 2, 3)),
    feed_forward=(tuple(range(16)), tuple(range(20, 36))),
    head=tuple(range(24)),
)


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
