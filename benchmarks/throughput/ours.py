"""Our own training as an engine of the comparison: the DistillTrainer that every run uses, behind the peers' gate."""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.throughput.scripts.peer import Gate
from benchmarks.throughput.task import STUDENT, TEACHER
from benchmarks.throughput.training import recipe_of, texts_of
from distill.caching import TEXT, CachedCollator, Caching
from distill.data.encoding import Collator, PaddingCollator
from distill.stages import Conditions, build_distiller, run_recipe
from pocketbert import processes
from students.building import load_student

STEPS = 10**6
"""More than are ever taken: the gate ends the training."""

GIGABYTES = 100


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
    """Train as the command line says: folder, how the teacher is kept or "asked", precision, texts a batch, threads."""
    place, kept, precision, size, threads = words
    torch.set_num_threads(int(threads))
    processes.join()
    gate, folder = Gate(), Path(place)
    teacher, student = load_student(folder / TEACHER), load_student(folder / STUDENT)
    recipe = recipe_of(folder, max_steps=STEPS, batch_size=int(size))
    rows, collator = texts_of(folder), PaddingCollator(0)
    given: Collator = collator
    if kept != "asked":
        needs = build_distiller(recipe.stages[0], student, teacher).teacher_needs
        caching = Caching(teacher, needs, rows, collator, kept, GIGABYTES)
        given = CachedCollator(collator, caching.carry_out("throughput", folder / kept / precision, "teacher's states"))
        rows = rows.add_column(TEXT, range(len(rows)))
    if processes.is_first():  # the others wait for it at every step
        given = Gated(given, gate)
    conditions = Conditions(rows, given, 0, "", precision == "bf16")
    with tempfile.TemporaryDirectory() as out:
        run_recipe(recipe, student, teacher, conditions, Path(out))


if __name__ == "__main__":
    main(sys.argv[1:])
