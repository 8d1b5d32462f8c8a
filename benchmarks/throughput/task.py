"""What all engines train on: a teacher, a student, texts as ids, and two orders of their batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmarks.flops import flops
from benchmarks.sentences import read_sentences
from distill.data.sampling import LengthGroupedSampler
from pocketbert.errors import UserError, unknown
from pocketbert.files import write_json
from students.building import build_student, save_student
from students.catalogue import STUDENTS
from students.layer_maps import layer_map

TEACHER, STUDENT = "teacher", "student"
TEXTS, LAYERS = "texts.json", "layers.json"
GROUPED, RANDOM, WHOLE = "grouped", "random", "whole"
LONGEST = 128
FORWARD_AND_BACKWARD = 3
"""The backward pass has two products for each of the forward pass."""

Integers = NDArray[np.integer[Any]]


def sentences_for(texts: Path, most: int, size: int, student: str) -> list[str]:
    """Return the texts that a student of the catalogue is to be trained on.

    Raises:
        UserError: there are too few for a batch, they can't be read, or there is no such student.
    """
    if student not in STUDENTS:
        raise unknown("student", student, STUDENTS)
    sentences = read_sentences(texts, most)
    if len(sentences) < size:
        raise UserError(f"{texts} has {len(sentences)} texts, less than a batch of {size}.")
    return sentences


def write_task(
    folder: Path,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    student: str,
    sentences: Sequence[str],
    size: int,
) -> "Work":
    """Write the folder that every engine reads, and return what its work is.

    Args:
        folder: empty.
        teacher: with a head.
        tokenizer: its own.
        student: a name of the catalogue; its weights are random, which costs what others do.
        sentences: the texts.
        size: texts a batch.
    """
    torch.manual_seed(0)
    smaller = build_student(STUDENTS[student], teacher)
    save_student(teacher, folder / TEACHER)
    save_student(smaller, folder / STUDENT)
    texts = tokenizer(list(sentences), truncation=True, max_length=LONGEST)["input_ids"]
    write_json(folder / TEXTS, texts)
    layers = list(layer_map("spread", smaller.config.num_hidden_layers, teacher.config.num_hidden_layers))
    write_json(folder / LAYERS, layers)
    lengths = np.array([len(text) for text in texts])
    orders = {
        GROUPED: list(LengthGroupedSampler(lengths, size, 0, lambda: 0)),
        RANDOM: np.random.default_rng(0).permutation(len(texts)).tolist(),
    }
    for name, order in orders.items():
        write_json(folder / f"{name}.json", [order[at : at + size] for at in range(0, len(order), size)])
    return Work.of(teacher, smaller, lengths, orders, size)


@dataclass(frozen=True)
class Work:
    """What training takes, whoever does it.

    Attributes:
        teacher, student: floating-point operations of a text without padding: of the teacher's forward pass, and of
            forward and backward pass of student and projections.
        padding: share of the tokens that are padding, by order, and under `WHOLE` that of texts padded to 128.
    """

    teacher: float
    student: float
    padding: dict[str, float]

    @classmethod
    def of(
        cls,
        teacher: PreTrainedModel,
        student: PreTrainedModel,
        lengths: Integers,
        orders: Mapping[str, Sequence[int]],
        size: int,
    ) -> "Work":
        """Count them."""
        numbers, counts = np.unique(lengths, return_counts=True)
        shares = counts / len(lengths)

        def mean(model: PreTrainedModel) -> float:
            return float(sum(share * flops(model, int(length)) for length, share in zip(numbers, shares, strict=True)))

        projections = 2 * (student.config.num_hidden_layers + 1) * student.config.hidden_size
        projected = projections * teacher.config.hidden_size * lengths.mean()
        padding = {name: _padding(lengths[np.asarray(order)], size) for name, order in orders.items()}
        padding[WHOLE] = 1 - float(lengths.mean()) / LONGEST
        return cls(mean(teacher), FORWARD_AND_BACKWARD * (mean(student) + float(projected)), padding)


def _padding(lengths: Integers, size: int) -> float:
    batches = [lengths[at : at + size] for at in range(0, len(lengths), size)]
    return 1 - float(lengths.sum() / sum(batch.max() * len(batch) for batch in batches))
