"""Loads and checks what a run on a corpus needs; of long work only the corpus is tokenised, once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedModel, set_seed

from distill.config import RunConfig, check_folder
from distill.corpus.store import Corpus, tokenised
from distill.corpus.texts import open_texts
from distill.data.encoding import PaddingCollator
from distill.data.sampling import lengths_of
from distill.given import load_given, weights_fingerprint
from distill.language import HeldOut
from distill.masking import Vocabulary, vocabulary_of
from distill.members import differing_tokens
from distill.stages import alignment, check_progression
from pocketbert import processes
from pocketbert.errors import DoesNotFit, UserError
from pocketbert.files import fingerprint
from students.building import build_student, proportions, usable_positions
from students.initialization import Initialisation, check_method
from students.spec import StudentSpec, parse_student_or_folder
from teachers.loading import Kind, Teacher, load_teacher

KIND: Kind = "masked-lm"
EVALUATION_ROWS = 500
ONLY_FOR_TASKS = ("metric", "text_columns", "label_column", "unlabelled", "augmentation", "labelled_rows", "regression")

OPTIONS = {"text_columns": "text-column", "augmentation": "augment"}
"""How a setting is called on the command line, where it has another name there."""


@dataclass
class Pretraining:
    """A prepared run on a corpus.

    Attributes:
        corpus: as it was found or tokenised.
        teacher: a masked language model; not ready where its head must be trained first.
        student: with random weights, or those of a folder.
        given: its start, where its weights are a folder's.
        vocabulary: of the teacher's tokenizer, which the student shares.
        train: the rows that are trained on.
        held_out: what every model is measured on.
        inputs: fingerprints of what lies behind the names.
        alignment: a line for each objective.
    """

    config: RunConfig
    folder: Path
    corpus: Corpus
    teacher: Teacher
    student: PreTrainedModel
    student_name: str
    given: Initialisation | None
    vocabulary: Vocabulary
    train: Dataset
    held_out: HeldOut
    inputs: dict[str, str]
    alignment: list[str]

    @property
    def collator(self) -> PaddingCollator:
        """Pads batches."""
        return self.held_out.collator

    @property
    def tokens(self) -> int:
        """Count the tokens of the rows that are trained on, special ones included."""
        return int(lengths_of(self.train).sum(dtype=np.int64))


def prepare(config: RunConfig, folder: Path) -> Pretraining:
    """Load and check corpus, teacher, student and recipe.

    Raises:
        UserError: whatever is wrong with any of them.
    """
    check_folder(folder, config)
    _check_options(config)
    texts = open_texts(config.data)
    set_seed(config.seed)
    teacher = load_teacher(config.teachers[0], KIND, (), finetune=config.finetune)
    vocabulary = vocabulary_of(teacher.tokenizer)
    student, name, given = _student(config, teacher)
    lines = alignment(config.recipe, student, teacher.model)
    longest = min(config.max_length, usable_positions(student.config), usable_positions(teacher.model.config))
    with processes.first_goes_ahead():
        corpus = tokenised(texts, teacher.tokenizer, longest, packed=config.packed)
    inputs = {"data": corpus.fingerprint, "teacher": fingerprint([teacher.fingerprint])}
    inputs |= {} if given is None else {"student": weights_fingerprint(Path(config.student))}
    check_folder(folder, config, inputs)
    collator = PaddingCollator(teacher.tokenizer.pad_token_id, 8 if torch.cuda.is_available() else 1)
    train = _first(corpus.train, config.train_rows)
    check_progression(config.recipe, student.config.num_hidden_layers, len(train))
    evaluation = _first(
        corpus.evaluation, EVALUATION_ROWS if config.evaluation_rows is None else config.evaluation_rows
    )
    return Pretraining(
        config=config,
        folder=folder,
        corpus=corpus,
        teacher=teacher,
        student=student,
        student_name=name,
        given=given,
        vocabulary=vocabulary,
        train=train,
        held_out=HeldOut(evaluation, collator, vocabulary),
        inputs=inputs,
        alignment=lines,
    )


def _student(config: RunConfig, teacher: Teacher) -> tuple[PreTrainedModel, str, Initialisation | None]:
    """Return the student, what to call it, and its start where its weights are a folder's."""
    parsed = parse_student_or_folder(config.student, proportions(teacher.model.config))
    if isinstance(parsed, StudentSpec):
        if parsed.vocabulary:
            raise DoesNotFit(
                f"student {parsed.name}: vocabulary is trimmed to a task's text, and this is a corpus: leave it out."
            )
        student = build_student(parsed, teacher.model)
        check_method(student, teacher.model, config.initialisation)
        return student, parsed.name, None
    given, start = load_given(config.student, KIND, (), config.initialisation)
    how = differing_tokens(given.tokenizer, teacher.tokenizer)
    if how:
        raise DoesNotFit(
            f"student {parsed} and teacher {teacher.name} have different tokenizers ({how}), and on a corpus they are "
            "compared token by token: take a student of the teacher's tokenizer, such as --student tiny."
        )
    return given.model, parsed.name, start


def _check_options(config: RunConfig) -> None:
    given = [name for name in ONLY_FOR_TASKS if getattr(config, name) is not None]
    if given:
        option = OPTIONS.get(given[0], given[0].replace("_", "-"))
        raise UserError(f"--{option} is for tasks: a corpus has no labels. Leave it out.")
    if len(config.teachers) > 1:
        raise UserError("several teachers are for tasks: give one --teacher for a corpus.")
    for name in ("train_rows", "evaluation_rows"):
        count = getattr(config, name)
        if count is not None and count < 1:
            raise UserError(f"--{name.replace('_', '-')} {count}: take at least 1.")
    if config.seeds > 1:
        raise UserError("--seeds is for tasks: on a corpus one student is made a run.")


def _first(rows: Dataset, count: int | None) -> Dataset:
    return rows if count is None else rows.select(range(min(count, len(rows))))
