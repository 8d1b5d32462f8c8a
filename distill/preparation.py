"""Loads and checks everything that a run needs; nothing long begins here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from distill.config import RunConfig
from distill.data.encoding import PaddingCollator, encode
from distill.data.loading import load_task
from distill.data.tasks import Task, TaskData
from distill.losses import IGNORED_LABEL
from distill.stages import asks_teacher, build_distiller
from pocketbert.errors import DoesNotFit, unknown
from pocketbert.files import fingerprint
from students.building import build_student, load_student
from students.initialization import METHODS
from students.spec import StudentSpec, parse_student
from teachers.loading import Teacher, load_teacher, load_tokenizer

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
