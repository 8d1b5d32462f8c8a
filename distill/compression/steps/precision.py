"""`int8`, `int4` and the like: the precision of the file that is shipped; the model stays as it is."""

from dataclasses import replace

from distill.compression.plan import Step
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench
from distill.preparation import Run
from pocketbert.errors import UserError


def check(step: Step, run: Run) -> None:
    """Raise UserError for settings, of which there are none."""
    if step.settings:
        raise UserError(f"compression step '{step.text}': {step.name} has no settings: leave '{step.settings}' out.")


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Choose the file's precision."""
    return Applied(replace(state, precision=step.name), f"the file has {step.name}")
