"""Objectives that are a mean over the student's layers, or the term of one layer while a stage goes layer by layer."""

from abc import abstractmethod
from typing import ClassVar, cast

from torch import Tensor

from distill.activations import Activations
from distill.objectives.base import Layers, ObjectiveSettings, TaughtObjective, mean, pairs
from distill.shapes import ModelShape
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
