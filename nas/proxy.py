"""A candidate's quality after a short distillation, which stands for what the whole recipe would make of it."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from distill.distiller import Distiller
from distill.preparation import Run
from distill.recipes.schema import Stage
from distill.stages import build_distiller
from distill.starting import start_from_teacher
from distill.trainer import DistillTrainer, training_arguments
from nas.scoring import Scale, Score, Watch
from nas.vocabularies import vocabulary_of
from students.spec import StudentSpec

START_ROWS, START_TOKENS = 1024, 8192
"""Read for a candidate's start; a whole run reads more."""


class Proxy(Scale):
    """Distils candidates for a few steps on rows that the teacher has answered once.

    Args:
        run: with its teachers ready.
        rows: of a run, what its candidates learn from, with `teacher_logits`.
        stage: how they learn.
        rungs: the steps after which they are scored, the last of them the stage's last.
    """

    def __init__(self, run: Run, rows: Callable[[Run], Dataset], stage: Stage, rungs: tuple[int, ...]) -> None:
        super().__init__(run)
        self._rows, self._stage, self._rungs = rows, stage, rungs
        self._found: dict[int, Dataset] = {}

    @property
    def last(self) -> int:
        """The steps of a candidate that is not stopped."""
        return self._rungs[-1]

    def warm(self, vocabularies: Iterable[int]) -> None:
        """Read the texts in these vocabularies, and let the teacher answer."""
        for size in (0, *vocabularies):
            self._rows_of(self._vocabularies.of(size))

    def start(self, spec: StudentSpec, model: PreTrainedModel) -> None:
        """Give a candidate its starting weights, from the teacher where that works."""
        run = self.run_of(spec)
        start_from_teacher(
            model, run.source, run.rows.found, run.collator,
            count=START_ROWS, tokens=START_TOKENS, seed=run.config.seed, method=run.config.initialisation,
        )  # fmt: skip

    def train(self, spec: StudentSpec, model: PreTrainedModel, watch: Watch) -> Score:
        """Train a candidate; return what it is worth after its last rung. See `nas.scoring.Scorer`."""
        run = self.run_of(spec)
        set_seed(run.config.seed)
        special = tuple(run.reading.tokenizer.all_special_ids)
        distiller = build_distiller(self._stage, model, run.answerer, special)
        scoring = _Scoring(self._rungs, lambda: self.score(spec, model), watch)
        with tempfile.TemporaryDirectory() as folder:
            trainer = self._trainer(run, distiller, Path(folder))
            trainer.add_callback(scoring)
            trainer.train()
        return scoring.value

    def _trainer(self, run: Run, distiller: Distiller, folder: Path) -> DistillTrainer:
        config, rows = run.config, self._rows_of(run)
        arguments = training_arguments(self._stage.training, folder, len(rows), config.seed, bf16=config.bf16)
        arguments.save_strategy = "no"
        return DistillTrainer(distiller, arguments, rows, run.collator, None)

    def _rows_of(self, run: Run) -> Dataset:
        """Return what candidates of a run's vocabulary learn from, once found."""
        size = vocabulary_of(run)
        if size not in self._found:
            self._found[size] = self._rows(run)
        return self._found[size]


class _Scoring(TrainerCallback):
    """Scores the model at the rungs, and ends a training that is not to go on."""

    def __init__(self, rungs: tuple[int, ...], score: Callable[[], Score], watch: Watch) -> None:
        self._rungs, self._score, self._watch = rungs, score, watch
        self.value = Score(float("nan"), float("nan"))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Score and ask at a rung."""
        if state.global_step in self._rungs:
            self.value = self._score()
            if not self._watch(state.global_step, self.value.quality) and state.global_step < self._rungs[-1]:
                control.should_training_stop = True
