"""A model made smaller: parts chosen, removed, and what is left repaired."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit, UserError
from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.forward import texts_of
from students.pruning.importance import Importance, importance_of
from students.pruning.kept import Kept, strongest_layers, strongest_of
from students.pruning.planning import by_ratios, check_target, depth_by_ratio, least, planned
from students.pruning.removal import removed
from students.pruning.repair import repair
from students.pruning.sizes import MEASURED, Sizes, encoder_flops, encoder_parameters, sizes_of
from students.pruning.targets import Target
from students.sharing import is_shared

Latency = Callable[[PreTrainedModel], float]
"""Seconds that a model takes."""

PROBES = 7
"""Halvings of the range of sizes in which one of the wanted latency is looked for: to 1 % of the encoder."""


@dataclass(frozen=True)
class Pruned:
    """A pruned model and what was done.

    Attributes:
        model: in evaluation mode.
        before: sizes of the model before the first round.
        after: this model's.
        layers: which of the layers of `before` it has.
        seconds_before: latency before the first round; None where none was measured.
        seconds_after: this model's.
    """

    model: PreTrainedModel
    before: Sizes
    after: Sizes
    layers: tuple[int, ...]
    seconds_before: float | None = None
    seconds_after: float | None = None

    def describe(self) -> str:
        """Return one line: the sizes before and after, and what is left of the encoder."""
        left = [
            f"{100 * encoder_flops(self.after) / encoder_flops(self.before):.1f} % of the encoder's FLOPs",
            f"{100 * encoder_parameters(self.after) / encoder_parameters(self.before):.1f} % of its parameters",
        ]
        if self.seconds_before and self.seconds_after:
            left.append(f"{100 * self.seconds_after / self.seconds_before:.0f} % of the latency")
        kept = "" if len(self.layers) == len(self.before.layers) else f" (layers {_listed(self.layers)} from 0)"
        return f"{_sizes(self.before)} -> {_sizes(self.after)}{kept}; {', '.join(left)}"


def _sizes(sizes: Sizes) -> str:
    """Return layers x width/heads/feed-forward, or the layers' sizes one by one where they differ."""
    if sizes.uniform:
        layer = sizes.layers[0]
        return f"{len(sizes.layers)}x{sizes.hidden}/{layer.heads}/{layer.feed_forward}"
    heads = _listed([layer.heads for layer in sizes.layers])
    neurons = _listed([layer.feed_forward for layer in sizes.layers])
    return f"{len(sizes.layers)}x{sizes.hidden}, heads {heads}, feed-forward {neurons}"


def _listed(numbers: Sequence[int]) -> str:
    return " ".join(str(number) for number in numbers)


def prune(
    model: PreTrainedModel,
    target: Target,
    batches: Sequence[Mapping[str, Tensor]],
    *,
    latency: Latency | None = None,
    earlier: Pruned | None = None,
) -> Pruned:
    """Return a smaller model; the given one stays as it is.

    Args:
        model: a bert, roberta, electra or distilbert sequence classifier that was trained.
        target: what is removed; of one with rounds, one of `target.steps()` at a time.
        batches: of the task's text, right-padded, on the model's device: `input_ids`, `attention_mask`, perhaps
            `token_type_ids`, and `labels` for importance "taylor". Some ten thousand tokens leave little to chance.
        latency: measures a model, for a target of latency.
        earlier: the round before, from whose start shares are counted.

    Raises:
        UserError: no text, no labels, or no way to measure latency.
        DoesNotFit: the model is no such classifier, or the target can't be reached; the message says what can.
    """
    _check(model, target, batches, latency)
    sizes = sizes_of(model)
    start, origin = (earlier.before, earlier.layers) if earlier else (sizes, tuple(range(len(sizes.layers))))
    check_target(start, target)
    importance = importance_of(model, batches, target.importance)
    seconds: tuple[float | None, float | None] = (None, None)
    if target.measure == "latency" and latency is not None:
        first = earlier.seconds_before if earlier and earlier.seconds_before else latency(model)
        kept, found = _by_latency(model, importance, target, latency, first)
        seconds = (first, found)
    elif target.measure:
        limit = (1 - target.share) * MEASURED[target.measure](start)
        kept = planned(sizes, importance, target.measure, limit, target.dimensions)
    else:
        kept = _by_ratios(sizes, importance, target, start, origin)
    smaller = removed(model, kept).eval()
    repair(anatomy(smaller), anatomy(model), kept, texts_of(batches))
    layers = tuple(origin[number] for number in kept.layers)
    return Pruned(smaller, start, sizes_of(smaller), layers, *seconds)


def check_prunable(model: PreTrainedModel) -> None:
    """Raise DoesNotFit for a model of another family than bert, roberta, electra, distilbert, or with shared layers."""
    if model.config.model_type not in FAMILIES:
        raise DoesNotFit(f"a {model.config.model_type} model can't be pruned: only {', '.join(FAMILIES)} can.")
    if is_shared(model.config):
        raise DoesNotFit(
            "a model whose layers share weights can't be pruned: what is least useful differs from layer to layer. "
            "Take one without sharing, or give a student of smaller sizes with sharing=…."
        )


def _check(
    model: PreTrainedModel, target: Target, batches: Sequence[Mapping[str, Tensor]], latency: Latency | None
) -> None:
    check_prunable(model)
    if not type(model).__name__.endswith("ForSequenceClassification"):
        raise DoesNotFit(f"a {type(model).__name__} can't be pruned: take a sequence classifier that was trained.")
    if not batches:
        raise UserError("pruning needs some of the task's text to measure the model on, and there is none: give some.")
    if target.measure == "latency" and latency is None:
        raise UserError(f"pruning latency={target.share:g} needs a way to measure it: give flops={target.share:g}.")
    if target.rounds > 1:
        raise UserError(f"pruning in {target.rounds} rounds goes step by step: give the steps of the target in turn.")


def _by_ratios(sizes: Sizes, importance: Importance, target: Target, start: Sizes, origin: Sequence[int]) -> Kept:
    """Return what stays when every dimension loses its share of what the first model had."""
    wanted = by_ratios(start, target.ratios, final=target.final)
    depth = min(depth_by_ratio(len(start.layers), target.ratios, final=target.final), len(sizes.layers))
    layers = strongest_layers(importance, depth)
    return strongest_of(importance, replace(wanted, layers=tuple(wanted.layers[origin[x]] for x in layers)), layers)


def _by_latency(
    model: PreTrainedModel, importance: Importance, target: Target, latency: Latency, first: float
) -> tuple[Kept, float]:
    """Return what stays of the largest model that is fast enough, and its seconds."""
    sizes, limit = sizes_of(model), (1 - target.share) * first

    def attempt(flops: float) -> tuple[Kept, float]:
        kept = planned(sizes, importance, "flops", flops, target.dimensions)
        return kept, latency(removed(model, kept).eval())

    low, high = float(encoder_flops(least(sizes, target.dimensions, whichever=True))), float(encoder_flops(sizes))
    best = attempt(low)
    if best[1] > limit:
        most = max(0, int(100 * (1 - best[1] / first))) / 100  # what is told can be had, so it is rounded down
        raise DoesNotFit(
            f"pruning latency={target.share:g} can't be reached with {' and '.join(target.dimensions)}: the smallest "
            f"model still takes {best[1] / first:.2f} of the time; give at most {most:.2f}."
        )
    for _ in range(PROBES):
        middle = (low + high) / 2
        probe = attempt(middle)
        if probe[1] <= limit:
            low, best = middle, probe
        else:
            high = middle
    return best
