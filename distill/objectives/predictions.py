"""Objectives on what a model answers: gold labels and soft targets."""

from typing import Annotated, cast

from pydantic import Field
from torch import Tensor

from distill import losses
from distill.activations import Activations
from distill.objectives.base import Objective, ObjectiveSettings, TaughtObjective
from distill.shapes import ModelShape


class HardLabels(Objective):
    """Gold labels: cross entropy, or mean squared error for a regression."""

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        self._loss = losses.hard_values if student.regression else losses.hard_labels

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss on the rows that have a label."""
        if labels is None:
            return student.logits.sum() * 0.0
        return self._loss(student.logits, labels)

    def share(self, labels: Tensor | None) -> Tensor | None:
        """Return the share of rows that have a label."""
        if labels is None:
            return None
        known = ~labels.isnan() if labels.is_floating_point() else labels != losses.IGNORED_LABEL
        return known.float().mean()

    def describe(self) -> str:
        """Say what is aligned."""
        return "gold labels: " + ("squared error" if self._loss is losses.hard_values else "cross entropy")


class SoftTargets(TaughtObjective):
    """Soft targets: divergence from the teacher's distribution (its value, for a regression).

    Hinton et al. 2015, arXiv:1503.02531.
    """

    class Settings(ObjectiveSettings):
        """Adds the temperature, on both sides in training."""

        temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Take the temperature, and whether the output is a value."""
        self._temperature = cast("SoftTargets.Settings", settings).temperature
        self._regression = student.regression

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the divergence from the teacher."""
        if self._regression:
            return losses.soft_values(student.logits, teacher.logits)
        return losses.soft_targets(student.logits, teacher.logits, self._temperature)

    def describe(self) -> str:
        """Say what is aligned."""
        if self._regression:
            return "predictions: the student's value with the teacher's"
        return f"predictions: the student's distribution with the teacher's at temperature {self._temperature:g}"
