"""The order of a run: data, teacher, student, stages, evaluation. Every step finds its finished work again."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from distill import estimation
from distill.config import RunConfig
from distill.data.encoding import PaddingCollator, encode
from distill.data.loading import load_task
from distill.data.tasks import Task, TaskData
from distill.evaluation import predict
from distill.losses import IGNORED_LABEL
from distill.recipes.schema import Recipe
from distill.stages import (
    StageResult,
    asks_teacher,
    build_distiller,
    plain_recipe,
    recipe_steps,
    run_recipe,
    stage_weights,
)
from pocketbert.devices import best_device, move
from pocketbert.errors import DoesNotFit, unknown
from pocketbert.files import fingerprint
from students.building import build_student, load_student, save_student
from students.initialization import METHODS, Initialisation, initialise
from students.spec import StudentSpec, parse_student
from teachers.caching import stored_logits
from teachers.finetuning import adopt, find_finetuned, mark_finetuned
from teachers.loading import Teacher, load_teacher, load_tokenizer

log = logging.getLogger(__name__)
STATISTICS_ROWS = 2048
Logits = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rows:
    """Encoded rows.

    Attributes:
        labelled: training rows with gold labels.
        training: labelled rows and, where there are any, the ones without (label -100 or NaN).
        evaluation: of the evaluation split.
        truncated: training rows that were cut at the maximum length.
    """

    labelled: Dataset
    training: Dataset
    evaluation: Dataset
    truncated: int


@dataclass(frozen=True)
class Trained:
    """One trained model of one seed; `weights` is the file that holds it."""

    seed: int
    weights: Path
    stages: list[StageResult]
    evaluation_logits: Logits


@dataclass
class Run:
    """A prepared run: everything is loaded and checked, nothing long has begun."""

    config: RunConfig
    folder: Path
    data: TaskData
    teacher: Teacher
    student: PreTrainedModel
    student_name: str
    given_weights: bool
    rows: Rows
    collator: PaddingCollator
    alignment: list[str]
    teacher_logits: Logits | None = None

    @property
    def task(self) -> Task:
        """The task of the data."""
        return self.data.task

    @property
    def labels(self) -> Logits:
        """Gold labels of the evaluation split, [N]."""
        return np.asarray(self.rows.evaluation["labels"][:])

    @property
    def finetuning_key(self) -> str:
        """Stands for everything that decides the fine-tuned teacher."""
        config = self.config
        settings = config.teacher_training.model_dump()
        return fingerprint(
            [
                self.teacher.weights_sha256,
                self.data.fingerprint,
                settings,
                config.max_length,
                config.seed,
                config.bf16,
            ]
        )


def prepare(config: RunConfig, folder: Path) -> Run:
    """Load and check data, teacher, student and recipe.

    Raises:
        UserError: whatever is wrong with any of them, before any long work.
    """
    parse_student_or_folder(config.student)
    if config.initialisation not in METHODS:
        raise unknown("initialisation", config.initialisation, METHODS)
    data = load_task(
        config.data,
        metric=config.metric,
        text_columns=config.text_columns,
        label_column=config.label_column,
        unlabelled=config.unlabelled,
        labelled_rows=config.labelled_rows,
        train_rows=config.train_rows,
        evaluation_rows=config.evaluation_rows,
        regression=config.regression,
    )
    set_seed(config.seed)
    teacher = load_teacher(config.teacher, data.task.kind, data.task.labels)
    student, name, given = _student(config.student, teacher)
    alignment = [
        f"{stage.name}: {objective.describe()}"  # type: ignore[operator]  # mypy: ModuleDict values are Modules
        for stage in config.recipe.stages
        for objective in build_distiller(stage, student, teacher.model).objectives.values()
    ]
    return Run(
        config=config,
        folder=folder,
        data=data,
        teacher=teacher,
        student=student,
        student_name=name,
        given_weights=given,
        rows=_encode(data, teacher, config.max_length),
        collator=PaddingCollator(teacher.tokenizer.pad_token_id, 8 if torch.cuda.is_available() else 1),
        alignment=alignment,
    )


def parse_student_or_folder(name: str) -> StudentSpec | Path:
    """Return a folder with a trained student, or the specification that a name stands for."""
    return Path(name) if Path(name).is_dir() else parse_student(name)


def _student(name: str, teacher: Teacher) -> tuple[PreTrainedModel, str, bool]:
    parsed = parse_student_or_folder(name)
    if isinstance(parsed, StudentSpec):
        return build_student(parsed, teacher.model), parsed.name, False
    _check_tokenizers(load_tokenizer(parsed), teacher.tokenizer, parsed)
    return load_student(parsed), parsed.name, True


def _check_tokenizers(ours: PreTrainedTokenizerBase, theirs: PreTrainedTokenizerBase, folder: Path) -> None:
    if ours.get_vocab() != theirs.get_vocab():
        raise DoesNotFit(
            f"student {folder} and its teacher have different tokenizers ({len(ours)} and {len(theirs)} pieces): "
            "losses on hidden states and shared batches need the same one. Take a student of the teacher's family or "
            "a specification such as --student tiny, which uses the teacher's tokenizer."
        )


def _encode(data: TaskData, teacher: Teacher, max_length: int) -> Rows:
    positions = getattr(teacher.model.config, "max_position_embeddings", max_length)
    longest = min(max_length, positions)
    labelled = encode(data.train, teacher.tokenizer, longest)
    training = labelled
    if data.unlabelled is not None and len(data.unlabelled):
        filler = float("nan") if data.task.kind == "regression" else IGNORED_LABEL
        extra = encode(data.unlabelled, teacher.tokenizer, longest)
        extra = extra.add_column("labels", np.full(len(extra), filler, np.asarray(labelled["labels"][:1]).dtype))
        training = concatenate_datasets([labelled, extra.cast(labelled.features)])
    truncated = int((np.asarray(training["length"][:]) == longest).sum())
    return Rows(labelled, training, encode(data.evaluation, teacher.tokenizer, longest), truncated)


def student_rows(run: Run) -> Dataset:
    """Return the rows that the student learns from: unlabelled ones too where every stage asks the teacher."""
    return run.rows.training if all(asks_teacher(stage) for stage in run.config.recipe.stages) else run.rows.labelled


def estimate(run: Run) -> tuple[estimation.Cost, list[str]]:
    """Estimate the run's cost from a few timed steps; also return one line a part."""
    config, rows = run.config, student_rows(run)
    parts: list[tuple[str, float]] = []
    if not run.teacher.ready and find_finetuned(run.finetuning_key, run.folder) is None:
        parts.append(("teacher fine-tuning", _recipe_seconds(run, _finetuning(run), run.teacher.model, None, rows)))
    student = _recipe_seconds(run, config.recipe, run.student, run.teacher.model, rows)
    parts.append((f"student, {config.seeds} seed(s)", student * config.seeds))
    if config.control:
        control = _recipe_seconds(run, config.recipe.without_teacher(), run.student, None, rows)
        parts.append((f"control, {config.seeds} seed(s)", control * config.seeds))
    trained = [run.student] if run.teacher.ready else [run.student, run.teacher.model]
    kept = config.seeds * (2 if config.control else 1) * len(config.recipe.stages)
    cost = estimation.Cost(
        seconds=sum(seconds for _, seconds in parts),
        memory_bytes=estimation.memory(trained, run.teacher.model),
        disk_bytes=estimation.disk(trained, kept, [run.student, run.teacher.model]),
    )
    return cost, [f"{name}: about {seconds:.0f} s" for name, seconds in parts]


def _recipe_seconds(
    run: Run, recipe: Recipe, student: PreTrainedModel, teacher: PreTrainedModel | None, rows: Dataset
) -> float:
    seconds = 0.0
    for stage, steps in zip(recipe.stages, recipe_steps(recipe, len(rows)), strict=True):
        distiller = build_distiller(stage, student, teacher)
        batch = min(stage.training.batch_size, len(rows))
        seconds += steps * estimation.seconds_per_step(distiller, rows, run.collator, batch)
    return seconds


def _finetuning(run: Run) -> Recipe:
    return plain_recipe("teacher", run.config.teacher_training)


def ready_teacher(run: Run) -> str:
    """Fine-tune the teacher if its head does not fit, or find it fine-tuned; return what was done in one line."""
    if run.teacher.ready:
        message = f"teacher used as it is: {run.teacher.reason}"
    else:
        found = find_finetuned(run.finetuning_key, run.folder)
        if found is None:
            found = _finetune(run)
            message = f"teacher fine-tuned first: {run.teacher.reason}"
        else:
            message = f"teacher fine-tuned earlier, reused from {found}"
        run.teacher.model.load_state_dict(load_student(adopt(found, run.folder)).state_dict())
    move(run.teacher.model, best_device())
    run.teacher.model.eval()
    run.teacher_logits = predict(run.teacher.model, run.rows.evaluation, run.collator)
    return message


def _finetune(run: Run) -> Path:
    folder = run.folder / "teacher"
    results = run_recipe(
        _finetuning(run), run.teacher.model, None, run.rows.labelled, run.collator, folder,
        seed=run.config.seed, title="teacher", bf16=run.config.bf16,
    )  # fmt: skip
    save_student(run.teacher.model, folder)
    run.teacher.tokenizer.save_pretrained(folder)
    mark_finetuned(folder, run.finetuning_key, {"seconds": results[0].seconds, "steps": results[0].steps})
    for stage in folder.glob("[0-9][0-9]-*"):
        shutil.rmtree(stage)
    return folder


def start_student(run: Run) -> Initialisation:
    """Give the student its starting weights, from the teacher where that helps."""
    if run.given_weights:
        return Initialisation(method="given", description=f"the weights of {run.config.student}", layers=())
    set_seed(run.config.seed)
    teacher, student = run.teacher.model, run.student
    move(teacher, "cpu")
    move(student, "cpu")
    rows = run.rows.training.select(range(min(STATISTICS_ROWS, len(run.rows.training))))
    inputs = rows.select_columns([name for name in rows.column_names if name not in {"labels", "length"}])
    batches = [run.collator([inputs[i] for i in range(s, min(s + 64, len(inputs)))]) for s in range(0, len(inputs), 64)]
    return initialise(student, teacher, batches, method=run.config.initialisation)


def train_student(run: Run, start: dict[str, torch.Tensor], seed: int) -> Trained:
    """Distil the student from its start."""
    rows = _with_teacher_logits(run, student_rows(run))
    return _train(run, run.config.recipe, start, rows, seed, "student")


def train_control(run: Run, start: dict[str, torch.Tensor], seed: int) -> Trained:
    """Train the same student from the same start for the same steps on gold labels, without a teacher."""
    recipe = control_recipe(run.config.recipe, len(student_rows(run)))
    return _train(run, recipe, start, run.rows.labelled, seed, "control")


def control_recipe(recipe: Recipe, rows: int) -> Recipe:
    """Return the control's recipe with each stage's steps fixed to those of the distilled student."""
    control = recipe.without_teacher()
    stages = tuple(
        stage.model_copy(update={"training": stage.training.model_copy(update={"max_steps": steps})})
        for stage, steps in zip(control.stages, recipe_steps(recipe, rows), strict=True)
    )
    return control.model_copy(update={"stages": stages})


def _train(run: Run, recipe: Recipe, start: dict[str, torch.Tensor], rows: Dataset, seed: int, role: str) -> Trained:
    run.student.load_state_dict(start)
    folder = run.folder / f"seed-{seed}" / role
    teacher = run.teacher.model if role == "student" else None
    stages = run_recipe(
        recipe, run.student, teacher, rows, run.collator, folder,
        seed=seed, title=f"{role}, seed {seed}", bf16=run.config.bf16,
    )  # fmt: skip
    logits = predict(run.student, run.rows.evaluation, run.collator)
    return Trained(seed, stage_weights(recipe, folder), stages, logits)


def _with_teacher_logits(run: Run, rows: Dataset) -> Dataset:
    """Store the teacher's logits once where no stage wants more of the teacher."""
    distillers = [build_distiller(stage, run.student, run.teacher.model) for stage in run.config.recipe.stages]
    if not all(distiller.needs_teacher_logits_only for distiller in distillers):
        return rows
    key = fingerprint([run.finetuning_key, run.teacher.weights_sha256, len(rows)])
    path = run.folder / "teacher-logits.safetensors"
    logits = stored_logits(path, key, lambda: predict(run.teacher.model, rows, run.collator, batch_size=128))
    return rows.add_column("teacher_logits", logits.tolist())
