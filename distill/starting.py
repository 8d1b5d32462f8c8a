"""Gives a student its starting weights, measured on rows from everywhere in the data."""

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, set_seed

from distill.data.encoding import MODEL_INPUTS, PaddingCollator
from pocketbert.devices import move
from students.initialization import Initialisation, initialise

BATCH = 64


def start_from_teacher(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    rows: Dataset,
    collator: PaddingCollator,
    *,
    count: int,
    seed: int,
    method: str,
) -> Initialisation:
    """Give the student its starting weights, from the teacher where that helps; both end on the CPU.

    Args:
        student: written to.
        teacher: fine-tuned already.
        rows: encoded; drawn at random, since files are often sorted and of long texts not all are read.
        collator: pads batches.
        count: rows to draw.
        seed: of the draw and of random weights.
        method: of `students.initialization`.
    """
    set_seed(seed)
    move(teacher, "cpu")
    move(student, "cpu")
    drawn = rows.select(np.random.default_rng(seed).permutation(len(rows))[:count])
    inputs = list(drawn.select_columns([name for name in MODEL_INPUTS if name in rows.column_names]))
    batches = [collator(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
    return initialise(student, teacher, batches, method=method)
