"""Loads and checks everything that a run needs; nothing long begins here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray
from transformers import PreTrainedModel, set_seed

from distill.augmentation.augmenter import load_augmenter
from distill.augmentation.settings import Augmentation
from distill.augmentation.store import augmented
from distill.config import RunConfig, check_folder
from distill.data.encoding import PaddingCollator, encode
from distill.data.extending import extended
from distill.data.loading import load_task
from distill.data.tasks import Task, TaskData
from distill.evaluation import constant_answer, quality
from distill.losses import IGNORED_LABEL
from distill.members import Member, answerer, check_tokenizers, load_members
from distill.stages import alignment, asks_teacher, check_progression
from pocketbert import processes
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, sha256
from students.building import build_student, proportions, usable_positions
from students.initialization import check_method
from students.spec import StudentSpec, parse_student_or_folder
from students.units import rescale
from teachers.loading import Teacher, load_teacher

FEW_ROWS = 100
Logits = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rows:
    """Encoded rows.

    Attributes:
        labelled: training rows with gold labels.
        training: labelled rows and, where there are any, the ones without (label -100 or NaN).
        evaluation: of the evaluation split.
        found: training rows that are not changed copies of others.
        truncated: training rows that were cut at the maximum length.
    """

    labelled: Dataset
    training: Dataset
    evaluation: Dataset
    found: Dataset
    truncated: int


@dataclass
class Run:
    """A prepared run: everything is loaded and checked, nothing long has begun.

    Attributes:
        members: the teachers; the first is the one that the student is cut out of and compared with in size and speed.
        answerer: what answers for all of them.
        given: what the student's weights are, where they are a folder's.
        answers: what it says on the evaluation split, once the teachers are ready.
        member_answers: what each of them says there.
    """

    config: RunConfig
    folder: Path
    data: TaskData
    members: tuple[Member, ...]
    answerer: PreTrainedModel
    student: PreTrainedModel
    student_name: str
    given: str | None
    rows: Rows
    inputs: dict[str, str]
    collator: PaddingCollator
    alignment: list[str]
    answers: Logits | None = None
    member_answers: tuple[Logits, ...] = ()

    @property
    def teacher(self) -> Teacher:
        """The first teacher."""
        return self.members[0].teacher

    @property
    def ready(self) -> bool:
        """Whether every teacher is taken as it is."""
        return all(member.teacher.ready for member in self.members)

    @property
    def teacher_logits(self) -> Logits:
        """The teacher's logits on the evaluation split, [N, C].

        Raises:
            RuntimeError: the teacher has not been made ready.
        """
        if self.answers is None:
            raise RuntimeError("the teacher is not ready yet: call pipeline.ready_teachers first")
        return self.answers

    @property
    def task(self) -> Task:
        """The task of the data."""
        return self.data.task

    @property
    def labels(self) -> Logits:
        """Gold labels of the evaluation split, [N]."""
        return np.asarray(self.rows.evaluation["labels"][:])


def prepare(config: RunConfig, folder: Path) -> Run:
    """Load and check data, teacher, student and recipe.

    Raises:
        UserError: whatever is wrong with any of them, before any long work.
    """
    check_folder(folder, config)
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
    members = load_members(config, data.task)
    teacher = members[0].teacher
    set_seed(config.seed)
    student, name, given = _student(config.student, teacher, data.task)
    for member in members:
        if member.teacher.ready:
            standardise(member.teacher.model, data.task)
    if given is None:
        check_method(student, teacher.model, config.initialisation)
    elif config.initialisation != "auto":
        raise UserError(f"--initialisation {config.initialisation}: a student's folder has its own weights.")
    longest = min(config.max_length, longest_input(student, *(member.teacher.model for member in members)))
    voice = answerer(members)
    lines = alignment(config.recipe, student, voice)
    if config.augmentation is not None:
        data = _augmented(data, config.augmentation, config)
    inputs = _inputs(data, members, None if given is None else Path(config.student))
    check_folder(folder, config, inputs)
    run = Run(
        config=config,
        folder=folder,
        data=data,
        members=members,
        answerer=voice,
        student=student,
        student_name=name,
        given=given,
        rows=_encode(data, teacher, longest),
        inputs=inputs,
        collator=PaddingCollator(teacher.tokenizer.pad_token_id, 8 if torch.cuda.is_available() else 1),
        alignment=lines,
    )
    check_progression(config.recipe, student.config.num_hidden_layers, len(student_rows(run)))
    return run


def _augmented(data: TaskData, settings: Augmentation, config: RunConfig) -> TaskData:
    """Return a task with copies of its labelled rows among the unlabelled ones."""
    if not all(asks_teacher(stage) for stage in config.recipe.stages):
        raise UserError("--augment: the recipe has a stage of gold labels alone, and copies have none. Leave it out.")
    augmenter = load_augmenter(settings, config.teachers[0], config.max_length)
    with processes.first_goes_ahead():
        copies, place = augmented(data.train, augmenter, settings, config.seed)
    if not len(copies):
        raise UserError(f"--augment: no word of the labelled rows could be replaced ({augmenter.message}).")
    return extended(data, copies, f"changed copies of the labelled rows, kept in {place}: {augmenter.message}")


def standardise(model: PreTrainedModel, task: Task) -> None:
    """Let a regression that answers in the data's units answer in standard ones, in which models train."""
    if task.kind == "regression":
        rescale(model, 1 / task.deviation, -task.mean / task.deviation)


def restore_units(model: PreTrainedModel, task: Task) -> None:
    """Let a regression answer in the data's units, as whoever gets its files expects."""
    if task.kind == "regression":
        rescale(model, task.deviation, task.mean)


def longest_input(*models: PreTrainedModel) -> int:
    """Return the most tokens that all the models can read."""
    return min(usable_positions(model.config) for model in models)


def warnings(run: Run) -> list[str]:
    """Return what makes the results doubtful: few evaluation rows, a teacher near chance, a student too large.

    Raises:
        UserError: a teacher taken as it is answers no better than a constant would: its head is of another task.
    """
    found = []
    rows = len(run.labels)
    if rows < FEW_ROWS:
        found.append(f"only {rows} evaluation rows: every number below is rough")
    if run.data.repeated:
        found.append(
            f"{run.data.repeated} of {rows} evaluation rows have a text that the labelled train rows have too, so "
            "every model may know their answers: take those rows out of one of the two"
        )
    if sum(p.numel() for p in run.student.parameters()) >= sum(p.numel() for p in run.teacher.model.parameters()):
        found.append("the student is not smaller than its teacher")
    teacher = quality(run.task, run.labels, run.teacher_logits)
    if teacher.low <= constant_answer(run.task, run.labels):
        text = f"the teacher ({teacher.value:.3f}) is not clearly better than the same answer for every row"
        if run.ready and rows >= FEW_ROWS and run.config.finetune is None:
            raise UserError(f"{text}: add --finetune to train it for this task, or --no-finetune to go on with it.")
        found.append(f"{text}: what the student keeps of it says little")
    return found


def _inputs(data: TaskData, members: Sequence[Member], student: Path | None) -> dict[str, str]:
    """Fingerprint what lies behind the names: a path's content may change between two runs."""
    inputs = {"data": data.fingerprint, "teacher": fingerprint([member.teacher.fingerprint for member in members])}
    if student is not None:
        inputs["student"] = fingerprint([sha256(file) for file in sorted(student.glob("*.safetensors"))])
    return inputs


def _student(name: str, teacher: Teacher, task: Task) -> tuple[PreTrainedModel, str, str | None]:
    """Return the student, what to call it, and what its weights are where they are a folder's."""
    parsed = parse_student_or_folder(name, proportions(teacher.model.config))
    if isinstance(parsed, StudentSpec):
        return build_student(parsed, teacher.model), parsed.name, None
    student = load_teacher(name, task.kind, task.labels)  # any classifier; the same rules tell whether its head fits
    check_tokenizers(
        student.tokenizer,
        teacher.tokenizer,
        f"student {parsed} and its teacher",
        "losses on hidden states and shared batches need the same one. Take a student of the teacher's family or "
        "a specification such as --student tiny, which uses the teacher's tokenizer.",
    )
    if student.ready:
        standardise(student.model, task)
    head = "with its head" if student.ready else "with a new head"
    return student.model, parsed.name, f"the weights of {name}, {head} ({student.reason})"


def _encode(data: TaskData, teacher: Teacher, longest: int) -> Rows:
    labelled = _standardised(encode(data.train, teacher.tokenizer, longest), data.task)
    training = labelled
    if data.unlabelled is not None and len(data.unlabelled):
        filler = float("nan") if data.task.kind == "regression" else IGNORED_LABEL
        extra = encode(data.unlabelled, teacher.tokenizer, longest)
        extra = extra.add_column("labels", np.full(len(extra), filler, np.asarray(labelled["labels"][:1]).dtype))
        training = concatenate_datasets([labelled, extra.cast(labelled.features)])
    truncated = int((np.asarray(training["length"][:]) == longest).sum())
    found = training.select(range(len(training) - data.augmented))
    return Rows(labelled, training, encode(data.evaluation, teacher.tokenizer, longest), found, truncated)


def _standardised(rows: Dataset, task: Task) -> Dataset:
    if task.kind == "classification":
        return rows
    targets = task.standardised(np.asarray(rows["labels"][:]))
    return rows.remove_columns("labels").add_column("labels", targets).cast(rows.features)


def student_rows(run: Run) -> Dataset:
    """Return the rows that the student learns from: unlabelled ones too where every stage asks the teacher."""
    return run.rows.training if all(asks_teacher(stage) for stage in run.config.recipe.stages) else run.rows.labelled
