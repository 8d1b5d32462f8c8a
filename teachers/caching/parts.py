"""What is kept of each text: numbers for the text, for each token, or for each pair of tokens."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Integers = NDArray[np.integer[Any]]


LOGITS, SCORES = "logits", "attention_scores"


class Places(StrEnum):
    """What a tensor has numbers for."""

    TEXT = "text"
    TOKEN = "token"  # noqa: S105  (of a text)
    PAIR = "pair"

    def of(self, lengths: Integers) -> Integers:
        """Return the places of texts of these lengths, [N]."""
        powers = {Places.TEXT: 0, Places.TOKEN: 1, Places.PAIR: 2}
        counts: Integers = lengths.astype(np.int64) ** powers[self]
        return counts


@dataclass(frozen=True)
class Part:
    """One tensor that is kept.

    Attributes:
        name: such as "hidden_states", which decides what the tensor has numbers for.
        layer: None of logits.
        shape: of the numbers of one place, such as (hidden,) or (heads, width).
    """

    name: str
    layer: int | None
    shape: tuple[int, ...]

    @property
    def key(self) -> str:
        """Its name in a file."""
        return self.name if self.layer is None else f"{self.name}.{self.layer}"

    @property
    def width(self) -> int:
        """Numbers of one place."""
        return int(np.prod(self.shape))

    @property
    def places(self) -> Places:
        """What it has numbers for."""
        return {LOGITS: Places.TEXT, SCORES: Places.PAIR}.get(self.name, Places.TOKEN)

    def flat(self, batch: Tensor, mask: Tensor) -> Tensor:
        """Return a batch's numbers without padding, [places, width], text after text.

        Args:
            batch: logits [B, C], states [B, L, H], queries, keys or values [B, A, L, D], or scores [B, A, L, L].
            mask: [B, L], of bool, true for real tokens.
        """
        if self.places is Places.TEXT:
            return batch
        if self.places is Places.PAIR:
            return batch.permute(0, 2, 3, 1)[mask[:, :, None] & mask[:, None, :]]
        tokens = batch.transpose(1, 2).flatten(2) if batch.dim() == 4 else batch
        return tokens[mask]

    def index(self, lengths: Integers, longest: int) -> Tensor:
        """Return the places of padded texts, counted from each text's own first, [B], [B, L] or [B, L, L].

        Padding gets the last real token's: no loss looks at it, and nothing is read for it.

        Args:
            lengths: of the texts, [B].
            longest: L.
        """
        own = np.asarray(lengths, dtype=np.int64)
        if self.places is Places.TEXT:
            return torch.zeros(len(own), dtype=torch.int64)
        tokens = torch.from_numpy(np.minimum(np.arange(longest), own[:, None] - 1))
        if self.places is Places.TOKEN:
            return tokens
        return tokens[:, :, None] * torch.from_numpy(own)[:, None, None] + tokens[:, None, :]

    def padded(self, numbers: Tensor) -> Tensor:
        """Return what `index` has chosen, [*its shape, width], as a forward pass gives it."""
        if self.places is Places.PAIR:
            return numbers.permute(0, 3, 1, 2)
        if len(self.shape) == 2:
            numbers = numbers.unflatten(-1, self.shape).transpose(1, 2)
        return numbers


def part_of(name: str, layer: int | None, batch: Tensor) -> Part:
    """Return the part that a forward pass's tensor is (see `Part.flat` for the shapes)."""
    shape = batch.shape[1:] if batch.dim() == 2 else batch.shape[2:] if batch.dim() == 3 else batch.shape[1::2]
    return Part(name, layer, tuple(shape[:1] if name == SCORES else shape))
