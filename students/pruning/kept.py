"""What stays of a model, by its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from students.pruning.importance import Importance
from students.pruning.sizes import LayerSizes, Sizes

MULTIPLE = 8
"""Widths go down to multiples of it: 8 float32 are one register of AVX2, and a choice has fewer steps."""


@dataclass(frozen=True)
class Kept:
    """Numbers of what stays, in the model's order.

    Attributes:
        hidden: dimensions of the residual stream.
        layers: whole layers.
        heads: of each layer that stays.
        feed_forward: of each layer that stays, its neurons.
        head: of the width inside the classification head; () where it has one step.
    """

    hidden: tuple[int, ...]
    layers: tuple[int, ...]
    heads: tuple[tuple[int, ...], ...]
    feed_forward: tuple[tuple[int, ...], ...]
    head: tuple[int, ...]

    def sizes(self, before: Sizes) -> Sizes:
        """Return the sizes that a model of sizes `before` has afterwards."""
        counts = zip(self.layers, self.heads, self.feed_forward, strict=True)
        layers = tuple(
            LayerSizes(len(heads), before.layers[number].head_size, len(neurons)) for number, heads, neurons in counts
        )
        # An embedding without a projection is as wide as the residual stream, and narrowed with it.
        return Sizes(len(self.hidden), before.embedding, layers)


def strongest_of(importance: Importance, sizes: Sizes, layers: Sequence[int]) -> Kept:
    """Return the most important parts, as many as the sizes say.

    Args:
        importance: of the whole model's parts.
        sizes: with one entry for each layer that stays.
        layers: the layers that stay.
    """
    pairs = list(zip(layers, sizes.layers, strict=True))
    return Kept(
        hidden=_strongest(importance.hidden, sizes.hidden),
        layers=tuple(layers),
        heads=tuple(_strongest(importance.heads[number], layer.heads) for number, layer in pairs),
        feed_forward=tuple(_strongest(importance.feed_forward[number], layer.feed_forward) for number, layer in pairs),
        head=_strongest(importance.head, sizes.hidden) if importance.head.numel() else (),
    )


def strongest_layers(importance: Importance, count: int) -> tuple[int, ...]:
    """Return the most important layers."""
    return _strongest(importance.layers, count)


def _strongest(values: Tensor, count: int) -> tuple[int, ...]:
    order = values.argsort(descending=True, stable=True)
    return tuple(sorted(int(index) for index in order[:count]))
