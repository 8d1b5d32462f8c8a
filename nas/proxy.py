"""A candidate's quality after a short distillation, which stands for what the whole recipe would make of it."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed

from distill.distiller import Distiller
from distill.evaluation import constant_answer, measured, predict
from distill.preparation import Run
from distill.recipes.schema import Stage
from distill.stages import build_distiller
from distill.starting import start_from_teacher
from distill.trainer import DistillTrainer, training_arguments
from students.building import build_student
from students.spec import StudentSpec

START_ROWS, START_TOKENS = 1024, 8192
"""Read for a candidate's start; a whole run reads more."""

Watch = Callable[[int, float], bool]


class Proxy:
    """Distils candidates for a few steps on rows that the teacher has answered once.

    Args:
        run: with its teachers ready; its student is not used.
        rows: what candidates learn from, with `teacher_logits`.
        stage: how they learn.

    Attributes:
        teacher: the teacher's metric.
        floor: that of the best constant answer.
    """

    def __init__(self, run: Run, rows: Dataset, stage: Stage) -> None:
        self._run, self._rows, self._stage = run, rows, stage
        self.teacher = measured(run.task, run.labels, run.teacher_logits)
        self.floor = constant_answer(run.task, run.labels)

    def build(self, spec: StudentSpec) -> PreTrainedModel:
        """Return a candidate with random weights."""
        set_seed(self._run.config.seed)
        return build_student(spec, self._run.teacher.model)

    def start(self, model: PreTrainedModel) -> None:
        """Give a candidate its starting weights, from the teacher where that works."""
        run = self._run
        start_from_teacher(
            model, run.teacher.model, run.rows.found, run.collator,
            count=START_ROWS, tokens=START_TOKENS, seed=run.config.seed, method=run.config.initialisation,
        )  # fmt: skip

    def train(self, model: PreTrainedModel, rungs: tuple[int, ...], watch: Watch) -> float:
        """Train a candidate; return its metric on the evaluation split after its last rung.

        Args:
            model: with its starting weights; trained in place.
            rungs: the steps after which it is scored, the last of them its last.
            watch: told steps and metric at every rung; says whether to go on.
        """
        run = self._run
        special = tuple(run.reading.tokenizer.all_special_ids)
        set_seed(run.config.seed)
        distiller = build_distiller(self._stage, model, run.answerer, special)
        scoring = _Scoring(rungs, lambda: self.score(model), watch)
        with tempfile.TemporaryDirectory() as folder:
            trainer = self._trainer(distiller, Path(folder))
            trainer.add_callback(scoring)
            trainer.train()
        return scoring.value

    def _trainer(self, distiller: Distiller, folder: Path) -> DistillTrainer:
        config = self._run.config
        arguments = training_arguments(self._stage.training, folder, len(self._rows), config.seed, bf16=config.bf16)
        arguments.save_strategy = "no"
        return DistillTrainer(distiller, arguments, self._rows, self._run.collator, None)

    def score(self, model: PreTrainedModel) -> float:
        """Return a model's metric on the evaluation split."""
        run = self._run
        logits = predict(model, run.rows.evaluation, run.collator)
        return measured(run.task, run.labels, run.task.in_units(logits))


class _Scoring(TrainerCallback):
    """Scores the model at the rungs, and ends a training that is not to go on."""

    def __init__(self, rungs: tuple[int, ...], score: Callable[[], float], watch: Watch) -> None:
        self._rungs, self._score, self._watch = rungs, score, watch
        self.value = float("nan")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Score and ask at a rung."""
        if state.global_step in self._rungs:
            self.value = self._score()
            if not self._watch(state.global_step, self.value) and state.global_step < self._rungs[-1]:
                control.should_training_stop = True
