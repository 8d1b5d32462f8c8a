"""`mixed`: 4 bits in the file for the layers that bear them, 8 for the others.

Q-BERT (Shen et al. 2020, arXiv:1909.05840) chooses by the curvature of the loss; so does this, until a bound is met: a
mean of bits, the bytes of the file, or how far the answers may move.
"""

import copy
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from distill.compression.plan import Step
from distill.compression.state import State
from distill.compression.steps.base import Applied, Bench, measured_batches, measured_rows, named
from distill.evaluation import distance, predict
from distill.preparation import Run
from pocketbert.errors import UserError
from students.exporting.files import export_mixed
from students.exporting.precisions import MIXED, check_kernels
from students.rounded import with_rounded_weights
from students.sensitivity import HIGH, LOW, block_bytes, choose_bits, layers_of, sensitivities

SUBSETS = 4
"""Batches, over which the curvature is taken; the paper has ten subsets of a tenth of the data each."""

USUAL_MEAN = 6.0
MEAN, SIZE, LOSS = "mean", "size", "loss"
Bits = dict[str, int]


def check(step: Step, run: Run) -> None:
    """Raise UserError for a bound that is none, or a family whose file can't have such layers."""
    _bound(step)
    with named(step):
        check_kernels(run.student, step.name)


def apply(step: Step, state: State, bench: Bench) -> Applied:
    """Choose each layer's bits."""
    kind, bound = _bound(step)
    costs = sensitivities(state.model, [[batch] for batch in measured_batches(state, bench.seed)[:SUBSETS]])
    sizes = {name: sum(linear.weight.numel() for linear in layers) for name, layers in layers_of(state.model).items()}
    order = sorted(sizes, key=lambda name: costs[name] / sizes[name])
    what = ""
    if kind == LOSS:
        bits, moved = within(order, bound, _moved(state, bench))
        what = f"; the answers are {moved:.3g} away from what they were"
    elif kind == SIZE:
        bits = fitting(order, bound * 1e6, lambda bits: _bytes(state, bench.folder / "trial.onnx", bits))
    else:
        least, most = (sum(block_bytes(size, bits) for size in sizes.values()) for bits in (LOW, HIGH))
        bits = choose_bits(costs, sizes, most_bytes=least + (bound - LOW) / (HIGH - LOW) * (most - least))
    told = ", ".join(f"{name.rpartition('.')[2]}: {bits[name]} ({costs[name]:.3g})" for name in sizes)
    return Applied(replace(state, precision=MIXED, bits=bits), f"bits by layer (with their curvature): {told}{what}")


def fitting(order: list[str], most: float, size: Callable[[Mapping[str, int]], int]) -> Bits:
    """Return bits with 4 for as few layers as can be, so that the file is small enough.

    Args:
        order: layers; the first have their 4 bits first.
        most: bytes of the file.
        size: says how many it has.

    Raises:
        UserError: it is too large with 4 bits everywhere.
    """

    def first(count: int) -> Bits:
        return {name: LOW if place < count else HIGH for place, name in enumerate(order)}

    count = bisect_left(range(len(order) + 1), True, key=lambda low: size(first(low)) <= most)
    if count > len(order):
        least = size(first(len(order))) / 1e6
        raise UserError(f"with 4 bits everywhere the file still has {least:.2f} MB: give more")
    return first(count)


def within(order: list[str], most: float, moved: Callable[[Mapping[str, int]], float]) -> tuple[Bits, float]:
    """Return bits with 4 for as many layers as can have them, and how far the answers move with them.

    Args:
        order: layers; those that are asked first have their 4 bits rather than the others.
        most: how far the answers may move.
        moved: says how far they do.

    Raises:
        UserError: they move farther with 8 bits everywhere.
    """
    bits = dict.fromkeys(order, HIGH)
    reached = moved(bits)
    if reached > most:
        raise UserError(f"with 8 bits everywhere the answers are {reached:.3g} away already: give more, or take int8")
    for name in order:
        tried = bits | {name: LOW}
        if (there := moved(tried)) <= most:
            bits, reached = tried, there
    return bits, reached


def _moved(state: State, bench: Bench) -> Callable[[Mapping[str, int]], float]:
    rows = measured_rows(state, bench.seed)
    plain = predict(state.model, rows, state.reading.collator)
    names = layers_of(state.model)
    models = {bits: with_rounded_weights(state.model, MIXED, dict.fromkeys(names, bits)) for bits in (LOW, HIGH)}
    layers = {bits: layers_of(model) for bits, model in models.items()}
    tried = copy.deepcopy(models[HIGH])

    @torch.no_grad()
    def moved(bits: Mapping[str, int]) -> float:
        for name, own in layers_of(tried).items():
            for ours, theirs in zip(own, layers[bits[name]][name], strict=True):
                ours.weight.copy_(theirs.weight)
        return distance(bench.run.task, plain, predict(tried, rows, state.reading.collator))

    return moved


def _bytes(state: State, path: Path, bits: Mapping[str, int]) -> int:
    """Return the bytes of a file with such bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    export_mixed(state.model, path, bits=bits)
    size = path.stat().st_size
    path.unlink()
    return size


def _bound(step: Step) -> tuple[str, float]:
    """Return what bounds the bits, and the bound."""
    kind, equals, text = step.settings.rpartition("=")
    try:
        bound = float(text) if text or equals else USUAL_MEAN
    except ValueError:
        bound = -1.0
    kind = kind or MEAN
    if (kind == MEAN and LOW <= bound <= HIGH) or (kind in {SIZE, LOSS} and 0 < bound < float("inf")):
        return kind, bound
    raise UserError(
        f"compression step '{step.text}': write mixed, mixed:5 for a mean of 5 bits (4 to 8), mixed:size=9.5 for a "
        "file of 9.5 MB, or mixed:loss=0.01 for answers that move by 0.01 at most."
    )
