"""What every way to score a candidate shares."""

from collections.abc import Callable
from typing import Protocol

from transformers import PreTrainedModel, set_seed

from distill.evaluation import constant_answer, measured, predict
from distill.preparation import Run
from students.building import build_student
from students.spec import StudentSpec

Watch = Callable[[int, float], bool]


class Scorer(Protocol):
    """Scores candidates."""

    def build(self, spec: StudentSpec) -> PreTrainedModel:
        """Return a candidate with random weights."""

    def start(self, spec: StudentSpec, model: PreTrainedModel) -> None:
        """Give a candidate its starting weights."""

    def train(self, model: PreTrainedModel, watch: Watch) -> float:
        """Train a candidate if need be; return its metric on the evaluation split.

        Args:
            model: with its starting weights; trained in place.
            watch: told steps and metric at every rung; says whether to go on.
        """

    @property
    def last(self) -> int:
        """The steps of a candidate that is not stopped."""

    @property
    def teacher(self) -> float:
        """The teacher's metric."""


class Scale:
    """Builds candidates and measures them as the teacher is measured.

    Args:
        run: with its teachers ready; its student is not used.

    Attributes:
        run: the same.
        floor: the metric of the best constant answer.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._teacher = measured(run.task, run.labels, run.teacher_logits)
        self.floor = constant_answer(run.task, run.labels)

    @property
    def teacher(self) -> float:
        """The teacher's metric."""
        return self._teacher

    def build(self, spec: StudentSpec) -> PreTrainedModel:
        """Return a candidate with random weights."""
        set_seed(self.run.config.seed)
        return build_student(spec, self.run.teacher.model)

    def score(self, model: PreTrainedModel) -> float:
        """Return a model's metric on the evaluation split."""
        logits = predict(model, self.run.rows.evaluation, self.run.collator)
        return measured(self.run.task, self.run.labels, self.run.task.in_units(logits))
