"""`factorise:64`: the word table becomes 64 wide, with a projection behind it, and the model is distilled back."""

from dataclasses import replace

from distill.compression.plan import NOT_AT_ALL, Step
from distill.compression.recovery import recover, recovery_recipe
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench
from distill.preparation import Run, longest_input
from distill.vocabulary import training_counts
from pocketbert.errors import UserError
from students.factorised import check_factorisable, factorise


def check(step: Step, run: Run) -> None:
    """Raise UserError for a width that the table can't have."""
    check_factorisable(run.student, _width(step))


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Factorise by what the task's text reads, and distil back."""
    width, how = _width(step), bench.recovery(step)
    longest = min(bench.run.config.max_length, longest_input(state.model))
    counts = training_counts(bench.run.data, state.reading.tokenizer, longest)
    before = state.model.get_input_embeddings().weight.shape
    state = replace(state, model=factorise(state.model, width, counts))
    if how.by != NOT_AT_ALL:
        recipe = recovery_recipe(bench.run, how)
        recover(bench.run, state, recipe, how, bench.seed, bench.folder / "training", bench.title(step))
    rows, columns = before
    return Applied(state, f"word table {rows:,} x {columns} -> {rows:,} x {width} and {width} x {columns}")


def _width(step: Step) -> int:
    if not (step.settings.isascii() and step.settings.isdigit() and int(step.settings)):
        raise UserError(f"compression step '{step.text}': say how wide the table becomes, such as factorise:64.")
    return int(step.settings)
