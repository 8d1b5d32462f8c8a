"""Objectives on hidden states, through projections where the widths differ."""

from typing import cast

from torch import Tensor, nn

from distill import losses
from distill.activations import HIDDEN_STATES, Activations
from distill.objectives.base import Layers, ObjectiveSettings, TaughtObjective, mean, pairs
from distill.shapes import ModelShape
from students.layer_maps import layer_map


class Projected(TaughtObjective):
    """Compares hidden states through linear projections to the teacher's width, where the widths differ."""

    needs = frozenset({HIDDEN_STATES})

    def _project(self, count: int, student_width: int, teacher_width: int) -> None:
        same = student_width == teacher_width
        self.projections = nn.ModuleList(
            nn.Identity() if same else nn.Linear(student_width, teacher_width) for _ in range(count)
        )
        self._through = "" if same else f" through a {student_width}->{teacher_width} projection"


class EmbeddingMSE(Projected):
    """Embedding output: mean squared error through a projection.

    TinyBERT, equation 9. The paper's text has a matrix of its own here; so has this class (the authors'
    code shares one with the hidden states).
    """

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Make the projections."""
        self._project(1, student.embedding, teacher.embedding)

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the error of hidden state 0."""
        projected = self.projections[0](student.layers(HIDDEN_STATES)[0])
        return losses.hidden_mse(projected, teacher.layers(HIDDEN_STATES)[0], mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"embeddings: the student's output with the teacher's{self._through}"


class HiddenMSE(Projected):
    """Hidden states: mean squared error of mapped layers through projections, averaged over the layers.

    TinyBERT, equation 8; one matrix a layer, as the paper writes it.
    """

    class Settings(ObjectiveSettings):
        """Adds the layer map: a name or, for each student layer, a teacher layer counted from 0."""

        layers: Layers = "spread"

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Make the projections."""
        layers = cast("HiddenMSE.Settings", settings).layers
        self._map = layer_map(layers, student.layers, teacher.layers)
        self._project(len(self._map), student.hidden, teacher.hidden)

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the mean over the mapped layers."""
        ours, theirs = student.layers(HIDDEN_STATES)[1:], teacher.layers(HIDDEN_STATES)[1:]
        terms = [
            losses.hidden_mse(project(ours[i]), theirs[j], mask)
            for i, (j, project) in enumerate(zip(self._map, self.projections, strict=True))
        ]
        return mean(terms)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"hidden states: {pairs(self._map)}{self._through}"


class HiddenCosine(Projected):
    """Last hidden state: cosine with the teacher's (through a projection where the widths differ).

    DistilBERT, L_cos. The paper has equal widths; the projection is our addition.
    """

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Make the projections."""
        self._project(1, student.hidden, teacher.hidden)

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return one minus the mean cosine."""
        projected = self.projections[0](student.layers(HIDDEN_STATES)[-1])
        return losses.hidden_cosine(projected, teacher.layers(HIDDEN_STATES)[-1], mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"last hidden state: direction of the student's with the teacher's{self._through}"
