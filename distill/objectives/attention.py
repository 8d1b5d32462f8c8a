"""TinyBERT's objective on attention scores."""

from typing import cast

from torch import Tensor

from distill import losses
from distill.activations import ATTENTION_SCORES, Activations
from distill.objectives.base import Layers, ObjectiveSettings, TaughtObjective, mean, pairs
from distill.shapes import ModelShape
from pocketbert.errors import DoesNotFit
from students.layer_maps import layer_map


class AttentionMSE(TaughtObjective):
    """Attention scores before the softmax: mean squared error of mapped layers, averaged over the layers.

    TinyBERT, equation 7. Where the teacher has k times the student's heads, each student head is compared
    with the mean of k teacher heads (our addition; the paper has equal counts).
    """

    needs = frozenset({ATTENTION_SCORES})

    class Settings(ObjectiveSettings):
        """Adds the layer map: a name or, for each student layer, a teacher layer counted from 0."""

        layers: Layers = "spread"

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Pair layers and heads."""
        if teacher.heads % student.heads:
            raise DoesNotFit(
                f"attention_mse can't pair {student.heads} heads of student '{student.name}' with {teacher.heads} of "
                f"teacher '{teacher.name}': take a student whose heads divide {teacher.heads}, or a recipe without it "
                "(--recipe logits, --recipe distilbert)."
            )
        self._group = teacher.heads // student.heads
        layers = cast("AttentionMSE.Settings", settings).layers
        self._map = layer_map(layers, student.layers, teacher.layers)

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the mean over the mapped layers."""
        ours, theirs = student.layers(ATTENTION_SCORES), teacher.layers(ATTENTION_SCORES)
        terms = [losses.attention_mse(ours[i], self._pooled(theirs[j]), mask) for i, j in enumerate(self._map)]
        return mean(terms)

    def _pooled(self, scores: Tensor) -> Tensor:
        return scores.unflatten(1, (-1, self._group)).mean(2) if self._group > 1 else scores

    def describe(self) -> str:
        """Say what is aligned."""
        heads = f", each head with the mean of {self._group} teacher heads" if self._group > 1 else ""
        return f"attention scores: {pairs(self._map)}{heads}"
