"""MobileBERT's knowledge transfer: feature maps and attention, layer by layer.

Sun et al. 2020, arXiv:2004.02984, section 3.3. The paper's student and teacher agree in depth, width between the blocks
and heads; layer maps, projections and grouped heads for those that do not are our additions.
"""

from typing import Annotated, ClassVar, cast

from pydantic import Field
from torch import Tensor

from distill import losses
from distill.activations import ATTENTION_SCORES, HIDDEN_STATES, Activations
from distill.objectives.base import ObjectiveSettings
from distill.objectives.layerwise import LayerSettings, Layerwise
from distill.objectives.projected import Projected
from distill.shapes import ModelShape
from pocketbert.errors import DoesNotFit

Part = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class FeatureMaps(Layerwise, Projected):
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
        """Pair the layers and make the projections."""
        super().align(settings, student, teacher)
        chosen = cast("FeatureMaps.Settings", settings)
        self._parts = (chosen.distance, chosen.mean, chosen.variance)
        self._project(len(self._map), student.hidden, teacher.hidden)

    def states(self, student: Activations, teacher: Activations) -> list[tuple[Tensor, Tensor]]:
        """Return the outputs of mapped layers."""
        ours, theirs = student.layers(HIDDEN_STATES)[1:], teacher.layers(HIDDEN_STATES)[1:]
        return [(ours[i], theirs[j]) for i, j in enumerate(self._map)]

    def term(self, student: Activations, teacher: Activations, mask: Tensor, ours: int, theirs: int) -> Tensor:
        """Return the weighted sum of the three parts."""
        projected = self.projections[ours](student.layers(HIDDEN_STATES)[ours + 1])
        parts = losses.feature_maps(projected, teacher.layers(HIDDEN_STATES)[theirs + 1], mask)
        distance, means, variances = (weight * part for weight, part in zip(self._parts, parts, strict=True))
        return distance + means + variances

    def describe(self) -> str:
        """Say what is aligned."""
        return f"feature maps: {self._pairs()}{self._through}"


class AttentionTransfer(Layerwise):
    """Attention distributions of mapped layers: divergence of the student's from the teacher's.

    L_AT, averaged over heads, tokens and layers. Where the teacher has k times the student's heads, each student head
    is compared with the mean of k teacher heads' distributions.
    """

    needs = frozenset({ATTENTION_SCORES})
    Settings: ClassVar[type[ObjectiveSettings]] = LayerSettings

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Pair layers and heads."""
        super().align(settings, student, teacher)
        if teacher.heads % student.heads:
            raise DoesNotFit(
                f"attention_transfer can't pair {student.heads} heads of student '{student.name}' with {teacher.heads} "
                f"of teacher '{teacher.name}': take a student whose heads divide {teacher.heads}, such as --student "
                f"…,heads={teacher.heads}."
            )
        self._group = teacher.heads // student.heads

    def term(self, student: Activations, teacher: Activations, mask: Tensor, ours: int, theirs: int) -> Tensor:
        """Return the mean divergence over heads and tokens."""
        scores = teacher.layers(ATTENTION_SCORES)[theirs]
        if self._group > 1:
            scores = losses.mean_attention(scores, mask, self._group)
        return losses.attention_divergence(student.layers(ATTENTION_SCORES)[ours], scores, mask)

    def describe(self) -> str:
        """Say what is aligned."""
        heads = f", each head with the mean of {self._group} teacher heads" if self._group > 1 else ""
        return f"attention distributions: {self._pairs()}{heads}"
