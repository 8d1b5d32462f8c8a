"""`factorise:64`: the word table becomes 64 wide, with a projection behind it, and the model is distilled back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from distill.compression.plan import FACTORISE, NOT_AT_ALL, Step
from distill.compression.recovery import recover, recovery_recipe
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench
from distill.compression.steps.pruning import sizes_before
from distill.preparation import Run, longest_input
from distill.vocabulary import training_counts
from pocketbert.errors import UserError
from pocketbert.factorised import FactorisedEmbedding
from students.architecture import FAMILIES
from students.factorised import factorise


def check(step: Step, run: Run) -> None:
    """Raise UserError for a width that the table can't have."""
    width = _width(step)
    table: Any = run.student.get_input_embeddings()
    if run.student.config.model_type not in FAMILIES:
        raise UserError(
            f"compression step '{step.text}': a {run.student.config.model_type} model can't be factorised, only "
            f"{', '.join(FAMILIES)} can: leave the step out."
        )
    if isinstance(table, FactorisedEmbedding):
        raise UserError(
            f"compression step '{step.text}': the word table of {run.student_name} is in two factors already, "
            f"{table.embedding_dim} wide: leave the step out."
        )
    if width >= table.embedding_dim:
        raise UserError(
            f"compression step '{step.text}': the word table is {table.embedding_dim} wide, so give less than that."
        )


def check_together(steps: Sequence[Step], run: Run) -> None:
    """Raise UserError for a table that is not narrower than the model which a pruning before or after it leaves."""
    table: Step | None = None
    for step, sizes in sizes_before(steps, run):
        when = "after" if table else "before"
        if step is not None and step.name == FACTORISE:
            table = step
        if table is not None and sizes is not None and _width(table) >= sizes.hidden:
            raise UserError(
                f"compression step '{table.text}': after the pruning {when} it the model is only {sizes.hidden} wide, "
                f"so give less than that."
            )


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Factorise by what the task's text reads, and distil back."""
    width, how = _width(step), bench.recovery(step)
    longest = min(bench.run.config.max_length, longest_input(state.model))
    found = torch.from_numpy(training_counts(bench.run.data, state.reading.tokenizer, longest))
    table: Any = state.model.get_input_embeddings()
    rows, columns = table.weight.shape
    counts = torch.zeros(rows, dtype=found.dtype)  # tables may have more rows than there are pieces
    counts[: len(found)] = found
    state = replace(state, model=factorise(state.model, width, counts))
    if how.by != NOT_AT_ALL:
        recipe = recovery_recipe(bench.run, how)
        recover(bench.run, state, recipe, how, bench.seed, bench.folder / "training", bench.title(step))
    return Applied(state, f"word table {rows:,} x {columns} -> {rows:,} x {width} and {width} x {columns}")


def _width(step: Step) -> int:
    if not (step.settings.isascii() and step.settings.isdigit() and int(step.settings)):
        raise UserError(f"compression step '{step.text}': say how wide the table becomes, such as factorise:64.")
    return int(step.settings)
