"""Which parts stay: chosen over all layers at once, by what each is worth for what it costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pocketbert.errors import DoesNotFit
from students.pruning.importance import Importance
from students.pruning.kept import MULTIPLE, Kept, strongest_of
from students.pruning.sizes import MEASURED, LayerSizes, Sizes, layer_flops
from students.pruning.targets import Target


@dataclass(frozen=True)
class _Candidate:
    """What could go next.

    Attributes:
        price: what it is worth.
        after: the sizes without it.
        layer: index of a whole layer that goes, else None.
        saved: of the measure.
    """

    price: float
    after: Sizes
    layer: int | None
    saved: float


def planned(sizes: Sizes, importance: Importance, measure: str, limit: float, dimensions: Sequence[str]) -> Kept:
    """Return what stays when the cheapest parts go, one at a time, until the encoder has at most `limit`.

    A part's price is its importance for each unit of the measure that it saves as the model then is. What would save
    more than is still to be saved goes only where nothing smaller is left.

    Args:
        sizes: of the model.
        importance: of its parts.
        measure: "flops" or "parameters", see `students.pruning.sizes`.
        limit: of that measure.
        dimensions: what may go.

    Raises:
        DoesNotFit: the limit can't be reached.
    """
    cost, now, left = MEASURED[measure], sizes, list(range(len(sizes.layers)))
    queues = _Queues(sizes, importance)
    while cost(now) > limit:
        candidates = list(_candidates(now, left, queues, measure, dimensions))
        if not candidates:
            raise DoesNotFit(
                f"the encoder can't be brought from {cost(sizes):,} {measure} to {limit:,.0f}: {cost(now):,} is the "
                f"least with {' and '.join(dimensions)}."
            )
        fitting = [x for x in candidates if x.saved <= cost(now) - limit]
        chosen = min(fitting, key=_price) if fitting else min(candidates, key=_saved)
        now = chosen.after
        if chosen.layer is not None:
            del left[chosen.layer]
    return strongest_of(importance, now, left)


def _price(candidate: _Candidate) -> float:
    return candidate.price / candidate.saved


def _saved(candidate: _Candidate) -> tuple[float, float]:
    return candidate.saved, candidate.price


class _Queues:
    """Importance of each kind of part, weakest first."""

    def __init__(self, sizes: Sizes, importance: Importance) -> None:
        self.heads = [values.sort().values.tolist() for values in importance.heads]
        self.neurons = [values.sort().values.tolist() for values in importance.feed_forward]
        self.hidden = importance.hidden.sort().values.tolist()
        self.layers = importance.layers.tolist()


def _candidates(
    now: Sizes, left: Sequence[int], queues: _Queues, measure: str, dimensions: Sequence[str]
) -> Iterator[_Candidate]:
    """Yield the weakest head and neurons of every layer, the weakest hidden dimensions, and every layer."""
    cost = MEASURED[measure]
    whole = cost(now)
    each = {place: cost(replace(now, layers=(layer,))) for place, layer in enumerate(now.layers)}
    for place, number in enumerate(left):
        layer = now.layers[place]
        smaller: list[tuple[float, LayerSizes]] = []
        if "heads" in dimensions and layer.heads > 1:
            queue = queues.heads[number]
            smaller.append((queue[len(queue) - layer.heads], replace(layer, heads=layer.heads - 1)))
        fewer = next_smaller(layer.feed_forward)
        if "feed_forward" in dimensions and fewer:
            smaller.append(
                (_worth(queues.neurons[number], layer.feed_forward, fewer), replace(layer, feed_forward=fewer))
            )
        for price, changed in smaller:
            after = replace(now, layers=(*now.layers[:place], changed, *now.layers[place + 1 :]))
            yield _Candidate(price, after, None, each[place] - cost(replace(now, layers=(changed,))))
        if "layers" in dimensions and len(left) > 1:
            after = replace(now, layers=(*now.layers[:place], *now.layers[place + 1 :]))
            yield _Candidate(queues.layers[number], after, place, each[place])
    narrower = next_smaller(now.hidden)
    if "hidden" in dimensions and narrower:
        after = replace(now, hidden=narrower)
        yield _Candidate(_worth(queues.hidden, now.hidden, narrower), after, None, whole - cost(after))


def _worth(queue: Sequence[float], count: int, fewer: int) -> float:
    """Return the importance of the weakest ones beyond `fewer` where the `count` strongest are left."""
    return sum(queue[len(queue) - count : len(queue) - fewer])


def next_smaller(width: int) -> int:
    """Return the next width below that is a multiple of `MULTIPLE`; 0 where there is none."""
    return (width - 1) // MULTIPLE * MULTIPLE


def least(sizes: Sizes, dimensions: Sequence[str], *, whichever: bool = False) -> Sizes:
    """Return the smallest sizes that a cut of these dimensions can reach.

    Args:
        sizes: of the model.
        dimensions: what may go.
        whichever: where layers go, sizes that are reached whichever of them stays, not those of the smallest.
    """
    smallest = [
        replace(
            layer,
            heads=1 if "heads" in dimensions else layer.heads,
            feed_forward=min(layer.feed_forward, MULTIPLE) if "feed_forward" in dimensions else layer.feed_forward,
        )
        for layer in sizes.layers
    ]
    if "layers" in dimensions:
        pick = max if whichever else min
        smallest = [pick(smallest, key=lambda layer: layer_flops(layer, sizes.hidden))]
    hidden = min(sizes.hidden, MULTIPLE) if "hidden" in dimensions else sizes.hidden
    return replace(sizes, hidden=hidden, layers=tuple(smallest))


def by_ratios(start: Sizes, ratios: Mapping[str, float], *, final: bool) -> Sizes:
    """Return the sizes that are left when each dimension loses its ratio: every layer the same share of its own.

    Widths are rounded to multiples of `MULTIPLE` where they were one, other numbers to whole ones; the layers that are
    left out are still to be chosen, so all are there.

    Raises:
        DoesNotFit: nothing is left of a dimension, or nothing goes.
    """
    layers = tuple(
        replace(
            layer,
            heads=_left("heads", layer.heads, ratios, final=final),
            feed_forward=_left("feed_forward", layer.feed_forward, ratios, final=final),
        )
        for layer in start.layers
    )
    return replace(start, hidden=_left("hidden", start.hidden, ratios, final=final), layers=layers)


def depth_by_ratio(layers: int, ratios: Mapping[str, float], *, final: bool) -> int:
    """Return how many layers are left; see `by_ratios` for the errors."""
    return _left("layers", layers, ratios, final=final)


def _left(name: str, count: int, ratios: Mapping[str, float], *, final: bool) -> int:
    if name not in ratios:
        return count
    unit = MULTIPLE if name in {"feed_forward", "hidden"} and count % MULTIPLE == 0 else 1
    units = count // unit
    left = round((1 - ratios[name]) * units)
    if units == 1:
        raise DoesNotFit(
            f"pruning {name}={ratios[name]:g} can't be done: of {count} nothing may go, so leave {name} out."
        )
    if left < 1:
        raise DoesNotFit(
            f"pruning {name}={ratios[name]:g} leaves nothing of {count}: give at most {1 - 1 / units:.3g}, which "
            f"leaves {unit}."
        )
    if left == units and final:
        raise DoesNotFit(f"pruning {name}={ratios[name]:g} removes nothing of {count}: give at least {1 / units:.3g}.")
    return left * unit


def check_target(sizes: Sizes, target: Target) -> None:
    """Check that a target can be reached from these sizes, before anything long; a latency can't be told so.

    Raises:
        DoesNotFit: it can't; the message says the nearest that can.
    """
    if target.ratios:
        by_ratios(sizes, target.ratios, final=target.final)
        depth_by_ratio(len(sizes.layers), target.ratios, final=target.final)
    if target.measure in MEASURED:
        cost = MEASURED[target.measure]
        most = 1 - cost(least(sizes, target.dimensions)) / cost(sizes)
        if target.share > most:
            raise DoesNotFit(
                f"pruning {target.measure}={target.share:g} can't be reached with {' and '.join(target.dimensions)}: "
                f"at most {int(most * 1000) / 1000:g} can be removed."
            )
