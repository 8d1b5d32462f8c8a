"""Objectives that are a mean over the student's layers, or the term of one layer while a stage goes layer by layer."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, cast

from torch import Tensor

from distill.activations import ATTENTION_SCORES, HIDDEN_STATES, Activations, Needs
from distill.objectives.base import Layers, ObjectiveSettings, TaughtObjective, mean, pairs
from distill.objectives.projected import Projected
from distill.shapes import ModelShape
from pocketbert.errors import DoesNotFit
from students.layer_maps import layer_map


class LayerSettings(ObjectiveSettings):
    """Adds the layer map: a name or, for each student layer, a teacher layer counted from 0."""

    layers: Layers = "spread"


class Layerwise(TaughtObjective):
    """Compares mapped layers.

    Attributes:
        active: the student's layer, from 0, whose term is the loss; None: the mean over all. A stage that goes layer by
            layer sets it.
    """

    layerwise = True
    Settings: ClassVar[type[ObjectiveSettings]] = LayerSettings

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Pair the layers."""
        self.active: int | None = None
        self._map = layer_map(cast("LayerSettings", settings).layers, student.layers, teacher.layers)

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the mean over the mapped layers, or the active one's term."""
        numbers = range(len(self._map)) if self.active is None else (self.active,)
        return mean([self.term(student, teacher, mask, number, self._map[number]) for number in numbers])

    @abstractmethod
    def term(self, student: Activations, teacher: Activations, mask: Tensor, ours: int, theirs: int) -> Tensor:
        """Return the loss of one student layer with one teacher layer, both from 0."""

    def _pairs(self) -> str:
        return pairs(self._map)


def outputs(student: Activations, teacher: Activations, layers: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Return the outputs of mapped layers, [B, L, H] each.

    Args:
        student: with its hidden states.
        teacher: the same.
        layers: the teacher's layer, from 0, for each of the student's first ones.
    """
    ours, theirs = student.layers(HIDDEN_STATES), teacher.layers(HIDDEN_STATES)
    return [(ours[i + 1], theirs[j + 1]) for i, j in enumerate(layers)]


def output_numbers(layers: Sequence[int]) -> Needs:
    """Return what `outputs` looks at of the teacher."""
    return {HIDDEN_STATES: frozenset(layer + 1 for layer in layers)}


class LayerStates(Layerwise, Projected):
    """Compares the outputs of mapped layers, each through a projection of its own."""

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Pair the layers and make the projections."""
        super().align(settings, student, teacher)
        self._project(len(self._map), student.hidden, teacher.hidden)

    def teacher_needs(self) -> Needs:
        """Return the mapped layers' outputs."""
        return output_numbers(self._map)

    def states(self, student: Activations, teacher: Activations) -> list[tuple[Tensor, Tensor]]:
        """Return the outputs of mapped layers."""
        return outputs(student, teacher, self._map)

    def term(self, student: Activations, teacher: Activations, mask: Tensor, ours: int, theirs: int) -> Tensor:
        """Return the distance of one student layer, projected, from its teacher layer."""
        state, target = self.states(student, teacher)[ours]
        return self.distance(self.projections[ours](state), target, mask)

    @abstractmethod
    def distance(self, ours: Tensor, theirs: Tensor, mask: Tensor) -> Tensor:
        """Return the distance of states [B, L, H] of the same width."""


class LayerAttention(Layerwise):
    """Compares the attention of mapped layers.

    Where the teacher has k times the student's heads, each student head is compared with the mean of k teacher heads.
    """

    needs = frozenset({ATTENTION_SCORES})
    name: ClassVar[str]

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Pair layers and heads."""
        super().align(settings, student, teacher)
        paired = [(student.heads[ours], teacher.heads[theirs]) for ours, theirs in enumerate(self._map)]
        for number, (ours, theirs) in enumerate(paired):
            if theirs % ours:
                raise DoesNotFit(
                    f"{self.name} can't pair {ours} heads of student '{student.name}' (layer {number + 1}) with "
                    f"{theirs} of teacher '{teacher.name}' (layer {self._map[number] + 1}): take a student whose heads "
                    f"divide {math.gcd(*(each for _, each in paired))} (--student …,heads=…), or a recipe without it "
                    "(--recipe logits, --recipe distilbert, --recipe minilmv2)."
                )
        self._groups = [theirs // ours for ours, theirs in paired]

    def teacher_needs(self) -> Needs:
        """Return the mapped layers' scores."""
        return {ATTENTION_SCORES: frozenset(self._map)}

    def term(self, student: Activations, teacher: Activations, mask: Tensor, ours: int, theirs: int) -> Tensor:
        """Return the distance of one student layer's attention from its teacher layer's."""
        scores = student.layers(ATTENTION_SCORES)[ours], teacher.layers(ATTENTION_SCORES)[theirs]
        return self.distance(*scores, mask, self._groups[ours])

    @abstractmethod
    def distance(self, ours: Tensor, theirs: Tensor, mask: Tensor, group: int) -> Tensor:
        """Return the distance of scores [B, A, L, L] from those of `group` times as many heads."""

    def _heads(self) -> str:
        groups = dict.fromkeys(self._groups)
        return "" if list(groups) == [1] else f", each head with the mean of {_listed(groups)} teacher heads"


def _listed(numbers: Iterable[int]) -> str:
    return " or ".join(str(number) for number in sorted(numbers))
