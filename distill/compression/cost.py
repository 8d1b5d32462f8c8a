"""What a chain's trainings will cost."""

from collections.abc import Sequence

from distill.activations import LOGITS
from distill.compression.chain import FOLDER
from distill.compression.keeping import is_of
from distill.compression.plan import BY_LABELS, PRUNE, Step
from distill.compression.recovery import recovery_recipe
from distill.estimation import BYTES, parameters
from distill.planning import conditions_of, control_recipe
from distill.preparation import Run, taught_rows
from distill.remaining import Work, remaining
from students.pruning.targets import parse_target


def parts(run: Run, steps: Sequence[Step]) -> dict[str, Work]:
    """Return the work of each step that trains, by name; as if the model were still as large as it begins."""
    found = {}
    for number, step in enumerate(steps, start=1):
        if step.trains:
            found[f"compression, {step.text}"] = _work(run, step, [each.text for each in steps[:number]])
    return found


def disk(run: Run, steps: Sequence[Step]) -> int:
    """Return the bytes that a chain keeps: weights and a file of the start and of each step, as large as it begins."""
    if not steps:
        return 0
    chains = run.config.seeds * (2 if run.config.control else 1)
    return chains * (len(steps) + 1) * 2 * BYTES * parameters(run.student)


def _work(run: Run, step: Step, chain: Sequence[str]) -> Work:
    rounds = parse_target(step.settings).rounds if step.name == PRUNE else 1
    places = [f"round-{each}" for each in range(1, rounds + 1)] if step.name == PRUNE else ["training"]
    roles = [FOLDER, *([f"{FOLDER}-control"] if run.config.control else [])]
    seeds = range(run.config.seed, run.config.seed + run.config.seeds)
    steps = [run.folder / f"seed-{seed}" / role / f"{len(chain):02d}-{step.name}" for seed in seeds for role in roles]
    # What another chain has left there is no work done.
    folders = [each / (place if is_of(each, chain) else "new") for each in steps for place in places]
    recipe, rows = recovery_recipe(run, step.recovery, rounds), taught_rows(run, run.reading)
    if step.recovery.by == BY_LABELS:
        rows = run.rows.labelled
        return remaining(control_recipe(recipe, len(rows)), run.student, None, conditions_of(run, rows), folders)
    conditions = conditions_of(run, rows)
    return remaining(recipe.without_noise(), run.student, run.answerer, conditions, folders, stored={LOGITS: None})
