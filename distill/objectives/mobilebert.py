"""MobileBERT's knowledge transfer: feature maps and attention, layer by layer.

Sun et al. 2020, arXiv:2004.02984, section 3.3. The paper's student and teacher agree in depth, width between the blocks
and heads; layer maps, projections and grouped heads for those that do not are our additions.
"""

from typing import Annotated, cast

from pydantic import Field
from torch import Tensor

from distill import losses
from distill.objectives.base import ObjectiveSettings
from distill.objectives.layerwise import LayerAttention, LayerSettings, LayerStates
from distill.shapes import ModelShape

Part = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class FeatureMaps(LayerStates):
    """Feature maps: the layers' outputs, normalised, and their means and variances.

    L_FMT = distance * MSE(norm(teacher), norm(student)) + mean * (difference of means)^2
          + variance * |difference of variances|, statistics over the features of each token.

    The parts' proportions are those of the authors' code (100, 5000 and 5). It takes the statistics over the list of
    all layers by mistake, and counts padding; here they are each layer's own, and padding does not count.
    """

    class Settings(LayerSettings):
        """Adds what each part counts."""

        distance: Part = 1.0
        mean: Part = 50.0
        variance: Part = 0.05

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Pair the layers, make the projections, and take the parts' weights."""
        super().align(settings, student, teacher)
        chosen = cast("FeatureMaps.Settings", settings)
        self._parts = (chosen.distance, chosen.mean, chosen.variance)

    def distance(self, ours: Tensor, theirs: Tensor, mask: Tensor) -> Tensor:
        """Return the weighted sum of the three parts."""
        parts = losses.feature_maps(ours, theirs, mask)
        distance, means, variances = (weight * part for weight, part in zip(self._parts, parts, strict=True))
        return distance + means + variances

    def describe(self) -> str:
        """Say what is aligned."""
        return f"feature maps: {self._pairs()}{self._through}"


class AttentionTransfer(LayerAttention):
    """Attention distributions of mapped layers: divergence of the student's from the teacher's.

    L_AT, averaged over heads, tokens and layers; the authors' code has a cross entropy (the same but for a constant)
    that counts padding. Where the teacher has k times the student's heads, each student head is compared with the mean
    of k teacher heads' distributions.
    """

    name = "attention_transfer"

    def distance(self, ours: Tensor, theirs: Tensor, mask: Tensor, group: int) -> Tensor:
        """Return the mean divergence over heads and tokens."""
        scores = losses.mean_attention(theirs, mask, group) if group > 1 else theirs
        return losses.attention_divergence(ours, scores, mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"attention distributions: {self._pairs()}{self._heads()}"
