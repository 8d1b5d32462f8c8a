"""TinyBERT's objective on attention scores."""

from torch import Tensor

from distill import losses
from distill.objectives.layerwise import LayerAttention


class AttentionMSE(LayerAttention):
    """Attention scores before the softmax: mean squared error of mapped layers, averaged over the layers.

    TinyBERT, equation 7. Where the teacher has k times the student's heads, each student head is compared
    with the mean of k teacher heads (our addition; the paper has equal counts).
    """

    name = "attention_mse"

    def distance(self, ours: Tensor, theirs: Tensor, mask: Tensor, group: int) -> Tensor:
        """Return the error, over all heads and pairs of real tokens."""
        pooled = theirs.unflatten(1, (-1, group)).mean(2) if group > 1 else theirs
        return losses.attention_mse(ours, pooled, mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"attention scores: {self._pairs()}{self._heads()}"
