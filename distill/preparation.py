"""Loads and checks everything that a run needs; nothing long begins here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from transformers import PreTrainedModel, set_seed

from distill.activations import LOGITS
from distill.augmentation.augmenter import load_augmenter
from distill.augmentation.settings import Augmentation
from distill.augmentation.store import augmented
from distill.config import RunConfig, check_folder
from distill.data.encoding import PaddingCollator
from distill.data.extending import extended
from distill.data.loading import load_task
from distill.data.tasks import Task, TaskData
from distill.evaluation import constant_answer, quality
from distill.given import weights_fingerprint
from distill.members import Member, answerer, differing_tokens, load_members
from distill.objectives import OBJECTIVES
from distill.reading import Reading, Rows, read
from distill.recipes.schema import Recipe
from distill.stages import alignment, asks_teacher, check_progression
from distill.student import find_student
from distill.units import standardise
from pocketbert import processes
from pocketbert.errors import DoesNotFit, UserError
from pocketbert.files import fingerprint
from students.building import usable_positions
from students.initialization import Initialisation
from students.vocabulary import Trimmed
from teachers.caching.store import TeacherCache
from teachers.loading import Teacher

FEW_ROWS = 100
Logits = NDArray[np.floating[Any]]


@dataclass
class Run:
    """A prepared run: everything is loaded and checked, nothing long has begun.

    Attributes:
        members: the teachers; the first is the one that the student is cut out of and compared with in size and speed.
        answerer: what is asked while the student trains: the only teacher, or all of them as one. Where one of them
            reads other tokens than the student, the answers are stored before, and this is the first of them.
        source: what the student is cut out of: the first teacher, in the student's vocabulary where that is trimmed.
        trimmed: the student's vocabulary; None: it reads the teacher's, or its folder's.
        given: the student's start, where its weights are a folder's.
        reading: the texts as the student reads them.
        readings: as each of the members does; the student's own where their tokens are the same.
        alignment: a line on each thing that is compared, and on how the teacher's side of it is kept.
        answers: what it says on the evaluation split, once the teachers are ready.
        member_answers: what each of them says there.
        cache: of the teacher's inside, once it is ready; None where none is kept.
    """

    config: RunConfig
    folder: Path
    data: TaskData
    members: tuple[Member, ...]
    answerer: PreTrainedModel
    source: PreTrainedModel
    trimmed: Trimmed | None
    student: PreTrainedModel
    student_name: str
    given: Initialisation | None
    reading: Reading
    readings: tuple[Reading, ...]
    inputs: dict[str, str]
    alignment: list[str]
    answers: Logits | None = None
    member_answers: tuple[Logits, ...] = ()
    cache: TeacherCache | None = None

    @property
    def teacher(self) -> Teacher:
        """The first teacher."""
        return self.members[0].teacher

    @property
    def rows(self) -> Rows:
        """The rows as the student reads them."""
        return self.reading.rows

    @property
    def collator(self) -> PaddingCollator:
        """Pads the student's batches."""
        return self.reading.collator

    @property
    def other_tokens(self) -> bool:
        """Whether a teacher reads other tokens than the student."""
        return any(reading is not self.reading for reading in self.readings)

    @property
    def recipe(self) -> Recipe:
        """The recipe, without noise where changed tokens are none of the teachers'.

        One teacher can answer to them where the student's vocabulary is a part of its own.
        """
        strange = self.other_tokens and (self.trimmed is None or len(self.members) > 1)
        return self.config.recipe.without_noise() if strange else self.config.recipe

    def reading_of(self, member: Member) -> Reading:
        """Return the texts as a teacher reads them."""
        return self.readings[self.members.index(member)]

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
    student = find_student(config, teacher, data)
    strangers = [differing_tokens(student.tokenizer, member.teacher.tokenizer) for member in members]
    if strangers[0] and student.trimmed is None:
        _check_sequence_level(config.recipe, f"teacher {teacher.name} and student {student.name}", strangers[0])
    for member in members:
        if member.teacher.ready:
            standardise(member.teacher.model, data.task)
    voice = student.source if any(strangers) else answerer(members)
    lines = [*student.notes, *alignment(config.recipe, student.model, voice)]
    lines += [
        f"{member.title} ({member.teacher.name}) reads other tokens and answers before the student trains"
        for member, strange in zip(members, strangers, strict=True)
        if strange
    ]
    if config.augmentation is not None:
        data = _augmented(data, config.augmentation, config)
    inputs = _inputs(data, members, None if student.given is None else Path(config.student))
    check_folder(folder, config, inputs)
    alike = [member.teacher.model for member, strange in zip(members, strangers, strict=True) if not strange]
    reading = read(data, student.tokenizer, min(config.max_length, longest_input(student.model, *alike)))
    run = Run(
        config=config,
        folder=folder,
        data=data,
        members=members,
        answerer=voice,
        source=student.source,
        trimmed=student.trimmed,
        student=student.model,
        student_name=student.name,
        given=student.given,
        reading=reading,
        readings=tuple(
            _own_reading(data, member.teacher, config.max_length) if strange else reading
            for member, strange in zip(members, strangers, strict=True)
        ),
        inputs=inputs,
        alignment=lines,
    )
    check_progression(config.recipe, student.model.config.num_hidden_layers, len(student_rows(run)))
    return run


def _own_reading(data: TaskData, teacher: Teacher, most: int) -> Reading:
    return read(data, teacher.tokenizer, min(most, longest_input(teacher.model)))


def _check_sequence_level(recipe: Recipe, who: str, how: str) -> None:
    """Refuse losses on what single tokens are inside the models, where the first teacher reads other tokens.

    Raises:
        DoesNotFit: the recipe has one.
    """
    inner = [name for stage in recipe.stages for name in stage.objectives if OBJECTIVES[name].needs != {LOGITS}]
    if inner:
        raise DoesNotFit(
            f"{who} have different tokenizers ({how}), and recipe '{recipe.name}' compares them token by token "
            f"({inner[0]}): take --recipe logits, which compares answers alone, or models that share a tokenizer."
        )


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
    if not run.config.is_teacher and sum(p.numel() for p in run.student.parameters()) >= sum(
        p.numel() for p in run.teacher.model.parameters()
    ):
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
        inputs["student"] = weights_fingerprint(student)
    return inputs


def student_rows(run: Run) -> Dataset:
    """Return the rows that the student learns from: unlabelled ones too where every stage asks the teacher."""
    return taught_rows(run, run.reading)


def taught_rows(run: Run, reading: Reading) -> Dataset:
    """Return the rows that the student learns from as one tokenizer reads them."""
    taught = all(asks_teacher(stage) for stage in run.config.recipe.stages)
    return reading.rows.training if taught else reading.rows.labelled
