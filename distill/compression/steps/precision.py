"""`int8`, `int4` and the like: the precision of the file that is shipped; the model stays as it is."""

from dataclasses import replace

from distill.compression.plan import Step
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench, measured_batches, named
from distill.preparation import Run
from pocketbert.errors import UserError
from students.exporting.precisions import MIXED, STATIC, check_kernels
from students.sensitivity import HIGH, LOW, block_bytes, choose_bits, layers_of, sensitivities

LEAST_TEXTS = 32
"""Below which no ranges are taken from texts."""

SUBSETS = 4
"""Of the rows, over which the curvature is taken; the paper has ten of a tenth of the data each."""

USUAL_MEAN = 6.0


def check(step: Step, run: Run) -> None:
    """Raise UserError for settings that it hasn't, a family that it can't write, or too few texts for ranges."""
    if step.name == MIXED:
        _mean_bits(step)
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
    """Choose the file's precision; of mixed bits, those of each layer."""
    if step.name != MIXED:
        return Applied(replace(state, precision=step.name), f"the file is {step.name}")
    batches = measured_batches(state, bench.seed)
    subsets = [batches[start::SUBSETS] for start in range(SUBSETS) if batches[start::SUBSETS]]
    costs = sensitivities(state.model, subsets)
    sizes = {name: sum(linear.weight.numel() for linear in layers) for name, layers in layers_of(state.model).items()}
    share = (_mean_bits(step) - LOW) / (HIGH - LOW)
    least, most = (sum(block_bytes(size, bits) for size in sizes.values()) for bits in (LOW, HIGH))
    bits = choose_bits(costs, sizes, most_bytes=least + share * (most - least))
    told = ", ".join(f"{name.rpartition('.')[2]}: {bits[name]} ({costs[name]:.3g})" for name in sizes)
    return Applied(replace(state, precision=MIXED, bits=bits), f"bits by layer (with their curvature): {told}")


def _mean_bits(step: Step) -> float:
    """Return how many bits the layers have on average, at most."""
    if not step.settings:
        return USUAL_MEAN
    try:
        mean = float(step.settings)
    except ValueError:
        mean = 0.0
    if not LOW <= mean <= HIGH:
        raise UserError(f"compression step '{step.text}': write mixed, or mixed:5 for a mean of 5 bits (4 to 8).")
    return mean
