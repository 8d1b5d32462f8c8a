"""`qat`: quantisation-aware training (Q8BERT), while the teacher, in float32, is imitated; fixed ranges in the file."""

from dataclasses import replace

from distill.compression.plan import Step
from distill.compression.recovery import recover, recovery_recipe
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench, named
from distill.preparation import Run
from pocketbert.errors import UserError
from students.exporting.precisions import STATIC, check_kernels
from students.fake_quantization.attaching import attach, detach
from students.fake_quantization.ranges import ranges_of
from students.fake_quantization.settings import Settings


def check(step: Step, run: Run) -> None:
    """Raise UserError for settings, of which there are none, or a family whose file can't have trained ranges."""
    if step.settings:
        raise UserError(f"compression step '{step.text}': it has recover, steps and rate alone, such as qat:steps=600.")
    with named(step):
        check_kernels(run.student, STATIC, trained=True)


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Train with int8's rounding; keep the ranges."""
    how = bench.recovery(step)
    recipe = recovery_recipe(bench.run, how)
    attach(state.model, Settings(decay=_decay(recipe.stages[0].training.max_steps or 1)))
    recover(bench.run, state, recipe, how, bench.seed, bench.folder / "training", bench.title(step))
    ranges = ranges_of(state.model)
    detach(state.model)
    note = f"trained with int8's rounding; {len(ranges)} layers with fixed ranges"
    return Applied(replace(state, precision=STATIC, ranges=ranges), note)


def _decay(steps: int) -> float:
    """Return the moving average's decay: the paper's, or less, so that a short training forgets how it began."""
    return min(0.9999, 1 - 10 / max(20, steps))
