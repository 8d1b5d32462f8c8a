"""What every way to score a candidate shares."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple, Protocol

from transformers import PreTrainedModel, set_seed

from distill.evaluation import constant_answer, distance, measured, predict, quality
from distill.preparation import Run
from nas.vocabularies import Vocabularies
from students.building import build_student
from students.spec import StudentSpec

Z95 = 1.96
"""Standard errors on either side of a 95 % interval."""

Watch = Callable[[int, float], bool]


class Score(NamedTuple):
    """What a candidate is worth.

    Attributes:
        quality: its metric on the evaluation split.
        distance: of its answers there from the teacher's (see `distill.evaluation.distance`). Of candidates whose
            metrics those rows hardly tell apart it tells more, since every row counts as much as it is off.
    """

    quality: float
    distance: float


class Scorer(Protocol):
    """Scores candidates."""

    def build(self, spec: StudentSpec) -> PreTrainedModel:
        """Return a candidate with random weights."""

    def start(self, spec: StudentSpec, model: PreTrainedModel) -> None:
        """Give a candidate its starting weights."""

    def train(self, spec: StudentSpec, model: PreTrainedModel, watch: Watch) -> Score:
        """Train a candidate if need be; return what it is worth on the evaluation split.

        Args:
            spec: the candidate's.
            model: with its starting weights; trained in place.
            watch: told steps and metric at every rung; says whether to go on.
        """

    def warm(self, vocabularies: Iterable[int]) -> None:
        """Do what all candidates of these vocabularies need."""

    @property
    def last(self) -> int:
        """The steps of a candidate that is not stopped."""

    @property
    def floor(self) -> float:
        """The metric of the best constant answer."""

    @property
    def teacher(self) -> float:
        """The teacher's metric."""

    noise: float
    """The standard error of a metric on the evaluation split, by the teacher's."""


class Scale:
    """Builds candidates and measures them as the teacher is measured.

    Args:
        run: with its teachers ready; its student is not used.

    Attributes:
        run: the same.
        noise: the standard error of the teacher's metric on the evaluation rows.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._teacher = measured(run.task, run.labels, run.teacher_logits)
        self._floor = constant_answer(run.task, run.labels)
        teacher = quality(run.task, run.labels, run.teacher_logits)
        self.noise = (teacher.high - teacher.low) / (2 * Z95)
        self._vocabularies = Vocabularies(run)

    @property
    def floor(self) -> float:
        """The metric of the best constant answer."""
        return self._floor

    @property
    def teacher(self) -> float:
        """The teacher's metric."""
        return self._teacher

    def run_of(self, spec: StudentSpec) -> Run:
        """Return the run as a candidate reads it."""
        return self._vocabularies.of(spec.vocabulary)

    def warm(self, vocabularies: Iterable[int]) -> None:
        """Read the texts in these vocabularies, so that no candidate is charged for it."""
        for size in vocabularies:
            self._vocabularies.of(size)

    def build(self, spec: StudentSpec) -> PreTrainedModel:
        """Return a candidate with random weights."""
        source = self.run_of(spec).source  # of the candidate's vocabulary already
        set_seed(self.run.config.seed)
        return build_student(replace(spec, vocabulary=0), source)

    def score(self, spec: StudentSpec, model: PreTrainedModel) -> Score:
        """Return what a candidate is worth on the evaluation split, as it is."""
        run, task = self.run_of(spec), self.run.task
        logits = task.in_units(predict(model, run.rows.evaluation, run.collator))
        return Score(measured(task, self.run.labels, logits), distance(task, self.run.teacher_logits, logits))
