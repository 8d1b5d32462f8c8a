"""Objectives on hidden states, through projections where the widths differ."""

from torch import Tensor

from distill import losses
from distill.activations import HIDDEN_STATES, Activations, Needs
from distill.objectives.base import ObjectiveSettings
from distill.objectives.layerwise import LayerStates
from distill.objectives.projected import Projected
from distill.shapes import ModelShape


class EmbeddingMSE(Projected):
    """Embedding output: mean squared error through a projection.

    TinyBERT, equation 9. The paper's text has a matrix of its own here; so has this class (the authors'
    code shares one with the hidden states).
    """

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Make the projections."""
        self._project(1, student.embedding, teacher.embedding)

    def teacher_needs(self) -> Needs:
        """Return hidden state 0."""
        return {HIDDEN_STATES: frozenset({0})}

    def states(self, student: Activations, teacher: Activations) -> list[tuple[Tensor, Tensor]]:
        """Return hidden state 0 of both."""
        return [(student.layers(HIDDEN_STATES)[0], teacher.layers(HIDDEN_STATES)[0])]

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the error."""
        [(ours, theirs)] = self.states(student, teacher)
        return losses.hidden_mse(self.projections[0](ours), theirs, mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"embeddings: the student's output with the teacher's{self._through}"


class HiddenMSE(LayerStates):
    """Hidden states: mean squared error of mapped layers through projections, averaged over the layers.

    TinyBERT, equation 8. The paper writes one matrix for all layers, and the authors' code shares it, with a bias, with
    the embeddings; here each layer has its own, with a bias.
    """

    def distance(self, ours: Tensor, theirs: Tensor, mask: Tensor) -> Tensor:
        """Return the error."""
        return losses.hidden_mse(ours, theirs, mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"hidden states: {self._pairs()}{self._through}"


class HiddenCosine(Projected):
    """Last hidden state: cosine with the teacher's (through a projection where the widths differ).

    DistilBERT, L_cos. The paper has equal widths; the projection is our addition.
    """

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Make the projections."""
        self._project(1, student.hidden, teacher.hidden)
        self._last = student.layers, teacher.layers

    def teacher_needs(self) -> Needs:
        """Return the last layer's output."""
        return {HIDDEN_STATES: frozenset({self._last[1]})}

    def states(self, student: Activations, teacher: Activations) -> list[tuple[Tensor, Tensor]]:
        """Return the last layers' outputs."""
        ours, theirs = self._last
        return [(student.layers(HIDDEN_STATES)[ours], teacher.layers(HIDDEN_STATES)[theirs])]

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return one minus the mean cosine."""
        [(ours, theirs)] = self.states(student, teacher)
        return losses.hidden_cosine(self.projections[0](ours), theirs, mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"last hidden state: direction of the student's with the teacher's{self._through}"
