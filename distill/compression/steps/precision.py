"""`int8`, `int4` and the like: the precision of the file that is shipped; the model stays as it is."""

from dataclasses import replace

from distill.compression.plan import Step
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench, named
from distill.preparation import Run
from pocketbert.errors import UserError, unknown
from students.exporting.precisions import STATIC, check_kernels
from students.exporting.ranges import METHODS

LEAST_TEXTS = 32
"""Below which no ranges are taken from texts."""


def check(step: Step, run: Run) -> None:
    """Raise UserError for settings that it hasn't, a family that it can't write, or too few texts for ranges."""
    if step.name == STATIC and step.settings:
        if step.settings not in METHODS:
            raise unknown(f"way to take ranges in '{step.text}'", step.settings, METHODS)
    elif step.settings:
        raise UserError(f"compression step '{step.text}': {step.name} has no settings: leave '{step.settings}' out.")
    with named(step):
        check_kernels(run.student, step.name)
    if step.name == STATIC and len(run.rows.labelled) < LEAST_TEXTS:
        raise UserError(
            f"compression step '{step.text}': {len(run.rows.labelled)} labelled texts are too few to take ranges from: "
            f"give at least {LEAST_TEXTS}, or take int8, which needs none."
        )


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Choose the file's precision."""
    if step.name == STATIC and step.settings:
        state = replace(state, method=step.settings)
    return Applied(replace(state, precision=step.name), f"the file is {step.name}")
