"""Our own training as an engine of the comparison: the DistillTrainer that every run uses, behind the same gate."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel

from benchmarks.throughput.scripts.peer import Gate
from benchmarks.throughput.task import LAYERS, STUDENT, TEACHER, TEXTS
from distill.caching import TEXT, CachedCollator, Caching
from distill.data.encoding import Collator, PaddingCollator
from distill.recipes.schema import Recipe, Stage, TrainingSettings
from distill.stages import Conditions, build_distiller, run_recipe
from pocketbert.files import read_json
from students.building import load_student

STEPS = 10**6
"""More than are ever taken: the gate ends the training."""


class Gated:
    """Makes batches when the gate says so.

    Args:
        collator: makes them.
        gate: waits for orders.
    """

    def __init__(self, collator: Collator, gate: Gate) -> None:
        self._collator = collator
        self._gate = gate

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a batch."""
        self._gate.let_through(len(rows))
        return self._collator(rows)


def main(words: Sequence[str]) -> None:
    """Train as the command line says: folder, cached or asked, precision, rows a batch, threads."""
    place, kept, precision, size, threads = words
    torch.set_num_threads(int(threads))
    gate, folder = Gate(), Path(place)
    teacher, student = load_student(folder / TEACHER), load_student(folder / STUDENT)
    texts = read_json(folder / TEXTS)
    rows = Dataset.from_dict({"input_ids": texts, "attention_mask": [[1] * len(text) for text in texts]})
    rows = rows.add_column("length", [len(text) for text in texts])
    layers: list[int] = read_json(folder / LAYERS)
    stage = Stage(
        name="throughput",
        objectives={"embedding_mse": {}, "hidden_mse": {"layers": layers}, "attention_mse": {"layers": layers}},
        projections="random",
        training=TrainingSettings(
            max_steps=STEPS, batch_size=int(size), learning_rate=2e-4, scheduler="constant", warmup_ratio=0
        ),
    )
    collator: Collator = PaddingCollator(0)
    if kept != "asked":
        collator, rows = _cached(stage, student, teacher, rows, kept, folder)
    conditions = Conditions(rows, Gated(collator, gate), 0, "", precision == "bf16")
    with tempfile.TemporaryDirectory() as out:
        run_recipe(Recipe(name="throughput", stages=(stage,)), student, teacher, conditions, Path(out))


def _cached(
    stage: Stage, student: PreTrainedModel, teacher: PreTrainedModel, rows: Dataset, code: str, folder: Path
) -> tuple[Collator, Dataset]:
    needs = build_distiller(stage, student, teacher).teacher_needs
    caching = Caching(teacher, needs, rows, PaddingCollator(0), code, 100)
    cache = caching.carry_out("throughput", folder / "teacher-cache", "teacher's states")
    return CachedCollator(PaddingCollator(0), cache), rows.add_column(TEXT, range(len(rows)))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main(sys.argv[1:])
