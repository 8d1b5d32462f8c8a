"""Patient knowledge distillation's objective."""

from typing import cast

from torch import Tensor

from distill import losses
from distill.activations import Activations, Needs
from distill.objectives.base import Layers, ObjectiveSettings, mean, pairs
from distill.objectives.layerwise import output_numbers, outputs
from distill.objectives.projected import Projected
from distill.shapes import ModelShape
from pocketbert.errors import DoesNotFit
from students.layer_maps import layer_map


class PatientStates(Projected):
    """First token's state of all layers but the last: squared distance of the normalised states.

    PKD (Sun et al. 2019, arXiv:1908.09355), L_PT. The paper has equal widths; the projection is our addition. The
    mean over the layers is taken instead of the sum.
    """

    class Settings(ObjectiveSettings):
        """Adds the layer map of all student layers; its last entry is not used.

        `uniform` is the paper's PKD-Skip, `last` its PKD-Last.
        """

        layers: Layers = "uniform"

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Pair layers and make their projections."""
        self._map = layer_map(cast("PatientStates.Settings", settings).layers, student.layers, teacher.layers)[:-1]
        if not self._map:
            raise DoesNotFit(f"patient_states needs a student of two layers or more; '{student.name}' has one.")
        self._project(len(self._map), student.hidden, teacher.hidden)

    def teacher_needs(self) -> Needs:
        """Return the mapped layers' outputs."""
        return output_numbers(self._map)

    def states(self, student: Activations, teacher: Activations) -> list[tuple[Tensor, Tensor]]:
        """Return the first token's states of mapped layers, [B, H]."""
        return [(ours[:, 0], theirs[:, 0]) for ours, theirs in outputs(student, teacher, self._map)]

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the mean over the mapped layers."""
        pairs_of_states = zip(self.projections, self.states(student, teacher), strict=True)
        return mean([losses.normalised_distance(project(ours), theirs) for project, (ours, theirs) in pairs_of_states])

    def describe(self) -> str:
        """Say what is aligned."""
        return f"first token's direction: {pairs(self._map)}{self._through}"
