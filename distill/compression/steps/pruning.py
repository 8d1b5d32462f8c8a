"""`prune:0.5`: half of the encoder's operations go, and what is left is distilled back; `rounds=3` in three steps."""

from dataclasses import replace

from distill.compression.plan import NOT_AT_ALL, Step
from distill.compression.recovery import recover, recovery_recipe
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench, measured_batches
from distill.preparation import Run
from pocketbert.errors import UserError
from students.pruning.planning import check_target
from students.pruning.pruner import Pruned, check_prunable, prune
from students.pruning.sizes import sizes_of
from students.pruning.targets import Target, parse_target


def check(step: Step, run: Run) -> None:
    """Raise UserError for a student that can't be pruned, or a target that is none or that it can't reach."""
    check_prunable(run.student)
    check_target(sizes_of(run.student), _target(step))


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Prune and distil back, a round after the other."""
    target, how = _target(step), bench.recovery(step)
    pruned: Pruned | None = None
    recipe = recovery_recipe(bench.run, how, target.rounds)
    for number, part in enumerate(target.steps(), start=1):
        batches = measured_batches(state, bench.seed)
        pruned = prune(state.model, part, batches, latency=bench.latency, earlier=pruned)
        state = replace(state, model=pruned.model)
        if how.by != NOT_AT_ALL:
            title = f"{bench.title(step)}, round {number}" if target.rounds > 1 else bench.title(step)
            recover(bench.run, state, recipe, how, bench.seed, bench.folder / f"round-{number}", title)
    assert pruned is not None  # noqa: S101  (for type checkers: a target has steps)
    return Applied(state, pruned.describe())


def _target(step: Step) -> Target:
    if not step.settings:
        raise UserError(f"compression step '{step.text}': say how much goes, such as prune:0.5 or prune:heads=0.5.")
    return parse_target(step.settings)
