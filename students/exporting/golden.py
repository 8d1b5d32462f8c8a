"""Sentences with what a model says of them, by which a device proves that it runs the file rightly.

Needs onnxruntime and NumPy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pocketbert.errors import UserError
from pocketbert.files import read_json, write_json
from students.exporting.running import run_each

SCHEMA = 1
GOLDEN = "golden.json"
Answers = Mapping[str, npt.NDArray[np.floating[Any]]]
"""A model's outputs for one text, without the batch axis."""

TEXTS = (
    "Good.",
    "No.",
    "The trains were late again this morning.",
    "A warm and funny film that never tries too hard.",
    "Two hours of my life that nobody will give back.",
    "Which of the two cables belongs to the older printer?",
    "She said it wasn't bad, which from her is high praise.",
    "ÜBER 9,000 people queued at 7:45 a.m. — in the rain!",
    "The soup was cold, the waiter was rude, and yet we stayed until they closed.",
    "Press the red button twice, wait for the light, and hold the lever down until it clicks.",
    "In 1998 the company moved from Leeds to Oslo, where it has built small electric ferries ever since.",
    "I had read so much about this place that I expected to be let down; instead I booked the same room for next year.",
    "It does what the box promises and nothing else, the manual is a single page, and after a month of daily use the "
    "hinge has begun to creak.",
    "Although the first half drags and the subtitles are hard to read on a small screen, the last twenty minutes are "
    "among the finest that this director has filmed, and the music alone is worth the price of a ticket.",
)
"""What is asked where nobody gives texts: short and long, plain and odd."""


@dataclass(frozen=True)
class Golden:
    """The sentences.

    Attributes:
        task: see `students.exporting.tasks`.
        labels: in id order; empty where there are none.
        texts: as written; a pair is a list of two.
        encodings: the same as ids.
        expected: what PyTorch says, a text each: lists by output name.
        made: by file, how near it came to that where it was made, as fields of `Checked`: no device is asked for more.
    """

    task: str
    labels: list[str]
    texts: list[Any]
    encodings: list[dict[str, list[int]]]
    expected: list[dict[str, Any]]
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(path, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> "Golden":
        """Read what `write` wrote.

        Raises:
            UserError: there is no such file, or it is of another schema.
        """
        try:
            document = read_json(path)
            schema = document.pop("schema")
            if schema != SCHEMA:
                raise UserError(f"{path} has schema {schema}, and this version reads {SCHEMA}: export the model again.")
            return cls(**document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is no set of golden sentences ({error}): export the model again.") from None


@dataclass(frozen=True)
class Checked:
    """How far a file's answers to the golden sentences are from those expected.

    Attributes:
        texts: how many.
        largest_difference: of any number in any output.
        relative_difference: the same as a share of the largest expected number.
        agreement: share of the answers (of texts, of tokens, of a span's ends) that are the same; of embeddings the
            smallest cosine between expected and actual; None of a regression.
    """

    texts: int
    largest_difference: float
    relative_difference: float
    agreement: float | None


def check(golden: Golden, path: Path, threads: int | None = None) -> Checked:
    """Run a file on the golden sentences, one a call, as a device does.

    Raises:
        UserError: the file can't be run, or its outputs are of another task.
    """
    return compare(golden.task, _arrays(golden.expected), run_each(path, golden.encodings, threads))


def compare(task: str, expected: Sequence[Answers], actual: Sequence[Answers]) -> Checked:
    """Compare answers to the same texts.

    Args:
        task: see `students.exporting.tasks`.
        expected: a text each.
        actual: the same of another model.

    Raises:
        UserError: there is no text, names or shapes differ, or what should be a number is none.
    """
    _check_shapes(expected, actual)
    if not all(np.isfinite(values).all() for answers in (*expected, *actual) for values in answers.values()):
        raise UserError("answers that are NaN or infinite cannot be compared")
    differences = [
        np.abs(theirs[name] - ours[name]).max() for theirs, ours in _pairs(expected, actual) for name in ours
    ]
    largest = max(np.abs(values).max() for answers in expected for values in answers.values())
    return Checked(
        texts=len(expected),
        largest_difference=float(max(differences)),
        relative_difference=float(max(differences) / max(largest, 1e-12)),
        agreement=_agreement(task, expected, actual),
    )


def _agreement(task: str, expected: Sequence[Answers], actual: Sequence[Answers]) -> float | None:
    if task == "embedding":
        return min(_cosine(theirs["embeddings"], ours["embeddings"]) for theirs, ours in _pairs(expected, actual))
    same = [
        np.atleast_1d(theirs[name].argmax(-1) == ours[name].argmax(-1))
        for theirs, ours in _pairs(expected, actual)
        for name in theirs
    ]
    regression = task == "classification" and expected[0]["logits"].shape[-1] == 1
    return None if regression else float(np.concatenate(same).mean())


def _cosine(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12))


def _pairs(expected: Sequence[Answers], actual: Sequence[Answers]) -> "zip[tuple[Answers, Answers]]":
    return zip(expected, actual, strict=True)


def _check_shapes(expected: Sequence[Answers], actual: Sequence[Answers]) -> None:
    if not expected or len(expected) != len(actual):
        raise UserError(f"answers to {len(expected)} and {len(actual)} texts cannot be compared")
    for theirs, ours in _pairs(expected, actual):
        shapes = [{name: values.shape for name, values in answers.items()} for answers in (theirs, ours)]
        if shapes[0] != shapes[1]:
            raise UserError(f"answers of shapes {shapes[0]} and {shapes[1]} cannot be compared: is it another model?")


def _arrays(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, npt.NDArray[np.float64]]]:
    return [{name: np.asarray(values, np.float64) for name, values in each.items()} for each in answers]
