"""Gives a student its starting weights, measured on rows from everywhere in the data; the next run finds them again."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from transformers import PreTrainedModel, set_seed

import pocketbert
from distill.data.encoding import MODEL_INPUTS, PaddingCollator
from pocketbert import processes
from pocketbert.devices import move
from pocketbert.files import fingerprint, read_json, write_json
from students.initialization import Initialisation, initialise

BATCH = 64
RANDOM_STARTS = ("pca", "random")
RANDOM_LAYERS = (
    "the student's layers start at random ({}), so it needs far more text and steps than one that is cut out of its "
    "teacher (README: which students are)"
)
WEIGHTS, FACTS = "start.safetensors", "start.json"


def found_or_made(
    student: PreTrainedModel, folder: Path, key: str, make: Callable[[], Initialisation]
) -> Initialisation:
    """Give the student its starting weights: those that this run, or one beside it, has made already, or new ones.

    Args:
        student: written to.
        folder: the run's, where they are kept.
        key: stands for everything that decides them.
        make: gives the student new ones.
    """
    key = fingerprint([key, pocketbert.__version__])  # another version may cut in another way
    with processes.first_goes_ahead():
        for place in (folder, *sorted(path.parent for path in folder.parent.glob(f"*/{FACTS}"))):
            start = _load(student, place, key)
            if start is not None and place != folder:
                return replace(start, description=f"{start.description} (reused from {place})")
            if start is not None:
                return start
        start = make()
        if processes.is_first():
            save_model(student, str(folder / WEIGHTS))
            write_json(folder / FACTS, {"key": key, "start": asdict(start)})
    return start


def _load(student: PreTrainedModel, folder: Path, key: str) -> Initialisation | None:
    """Give the student the start that a run has made with this key; None where there is none that can be read."""
    try:
        facts = read_json(folder / FACTS)
        if facts["key"] != key:
            return None
        start = Initialisation(**facts["start"] | {"layers": tuple(facts["start"]["layers"])})
        move(student, "cpu")
        load_model(student, folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return None
    return start


def start_from_teacher(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    rows: Dataset,
    collator: PaddingCollator,
    *,
    count: int,
    tokens: int,
    seed: int,
    method: str,
) -> Initialisation:
    """Give the student its starting weights, from the teacher where that helps; both end on the CPU.

    Args:
        student: written to.
        teacher: fine-tuned already.
        rows: encoded; drawn at random, since files are often sorted and of long texts not all are read.
        collator: pads batches.
        count: rows to draw at most.
        tokens: about so many are read at most, special ones included.
        seed: of the draw and of random weights.
        method: of `students.initialization`.
    """
    set_seed(seed)
    move(teacher, "cpu")
    move(student, "cpu")
    drawn = rows.select(np.random.default_rng(seed).permutation(len(rows))[:count])
    inputs = list(drawn.select_columns([name for name in MODEL_INPUTS if name in rows.column_names]))
    batches, read = [], 0
    for start in range(0, len(inputs), BATCH):
        if read >= tokens:
            break
        batches.append(collator(inputs[start : start + BATCH]))
        read += int(batches[-1]["attention_mask"].sum())
    return initialise(student, teacher, batches, method=method)
