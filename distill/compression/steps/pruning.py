"""`prune:0.5`: half of the encoder's operations go, and what is left is distilled back; `rounds=3` in three steps."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedModel

from distill.compression.plan import NOT_AT_ALL, PRUNE, Step
from distill.compression.recovery import recover, recovery_recipe
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench, measured_batches, named
from distill.preparation import Run
from pocketbert.errors import DoesNotFit, UserError
from pocketbert.files import read_json, write_json
from students.pruning.planning import by_ratios, check_target, depth_by_ratio, least
from students.pruning.pruner import Latency, Pruned, check_prunable, prune
from students.pruning.sizes import MEASURED, Sizes, sizes_of
from students.pruning.targets import Target, parse_target

LATENCIES = "latencies.json"


def check(step: Step, run: Run) -> None:
    """Raise UserError for a target that is none, a family that can't be pruned, or what the student can't reach."""
    target = _target(step)
    with named(step):
        check_prunable(run.student)
        check_target(sizes_of(run.student), target)


def check_together(steps: Sequence[Step], run: Run) -> None:
    """Raise UserError for targets that can't be reached one after the other, each being a share of what is left."""
    for step, known in sizes_before(steps, run):
        if step is not None and step.name == PRUNE and known is not None:
            with named(step):
                check_target(known, _target(step))
    targets = [(step, _target(step)) for step in steps if step.name == PRUNE]
    for number, (step, target) in enumerate(targets):
        before = [each for _, each in targets[:number]]
        if target.measure not in MEASURED or not before:
            continue
        cost, sizes = MEASURED[target.measure], sizes_of(run.student)
        dimensions = {name for each in (*before, target) for name in each.ratios or each.dimensions}
        smallest = cost(least(sizes, sorted(dimensions))) / cost(sizes)
        left = math.prod(1 - each.share for each in before if each.measure == target.measure)
        most = 1 - smallest / left
        if target.share > most:
            raise DoesNotFit(
                f"compression step '{step.text}': after the pruning before it there is not so much to remove: give at "
                f"most {max(0, int(most * 1000)) / 1000:g}, or leave it out."
            )


def sizes_before(steps: Sequence[Step], run: Run) -> Iterator[tuple[Step | None, Sizes | None]]:
    """Yield each step, and None for the end, with the sizes that it will find; None where they can't be told yet."""
    sizes: Sizes | None = sizes_of(run.student) if any(step.name == PRUNE for step in steps) else None
    for step in steps:
        yield step, sizes
        if step.name == PRUNE and sizes is not None:
            ratios = _target(step).ratios
            if not ratios or not sizes.uniform:  # what goes depends on what it is worth
                sizes = None
                continue
            left = by_ratios(sizes, ratios, final=True)
            sizes = replace(left, layers=left.layers[: depth_by_ratio(len(left.layers), ratios, final=True)])
    yield None, sizes


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Prune and distil back, a round after the other."""
    target, how = _target(step), bench.recovery(step)
    pruned: Pruned | None = None
    recipe, latency = recovery_recipe(bench.run, how, target.rounds), _once(bench.latency, bench.folder / LATENCIES)
    for number, part in enumerate(target.steps(), start=1):
        batches = measured_batches(state, bench.seed)
        pruned = prune(state.model, part, batches, latency=latency, earlier=pruned)
        state = replace(state, model=pruned.model)
        if how.by != NOT_AT_ALL:
            title = f"{bench.title(step)}, round {number}" if target.rounds > 1 else bench.title(step)
            recover(bench.run, state, recipe, how, bench.seed, bench.folder / f"round-{number}", title)
    assert pruned is not None  # noqa: S101  (for type checkers: a target has steps)
    return Applied(state, pruned.describe())


def _once(latency: Latency, file: Path) -> Latency:
    """Return a latency that is measured once for each model's sizes, and kept.

    A step that goes on after a kill must choose the sizes that it has chosen, or its checkpoints don't fit.
    """

    def measured(model: PreTrainedModel) -> float:
        known: dict[str, float] = read_json(file) if file.exists() else {}
        sizes = str(sizes_of(model))
        if sizes not in known:
            known[sizes] = latency(model)
            write_json(file, known)
        return known[sizes]

    return measured


def _target(step: Step) -> Target:
    if not step.settings:
        raise UserError(f"compression step '{step.text}': say how much goes, such as prune:0.5 or prune:heads=0.5.")
    return parse_target(step.settings)
