"""What a search looks at first: designs as made by hand, a teacher scaled down in depth and width alike.

A search that begins with students drawn at random spends its first minutes on what any engineer would have left out.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence

import optuna

from nas.choosers import Chance
from nas.latency_model import products
from nas.search_space import SearchSpace
from students.architecture import VOCABULARY, Proportions
from students.spec import StudentSpec

SHARES = (0.6, 0.4, 0.28, 0.18, 0.11, 1.0)
"""Of what the limits allow, the multiply-adds of the students: small ones, which are looked at soon, then all."""

ENOUGH = 20_000
"""Students of a space that are considered; of a larger one so many are drawn."""

BEGUN = "begun"


def ladder(
    space: SearchSpace,
    teacher: Proportions,
    layers: int,
    most: float,
    whole: int = 0,
    keeps: Callable[[StudentSpec], bool] = lambda _: True,
) -> list[StudentSpec]:
    """Return students of several sizes, each in the teacher's proportions as far as may be.

    Args:
        space: of the students.
        teacher: its widths.
        layers: its number of layers.
        most: multiply-adds a token that the limits allow; see `nas.latency_model.products`.
        whole: pieces of the teacher's vocabulary.
        keeps: tells whether a student keeps the other limits, as far as can be told.
    """
    pieces = [int(size) for size in space.choices_of(VOCABULARY)][::-1]
    # The whole vocabulary is what those who vary it want to be rid of.
    turns = itertools.cycle([size for size in pieces if size != whole] or pieces or [0])
    everyone = [(products(spec), _distance(spec, teacher, layers), spec) for spec in _considered(space) if keeps(spec)]
    most = min(most, max((cost for cost, _, _ in everyone), default=0.0))
    found = []
    for share, size in zip(SHARES, turns, strict=False):
        fitting = [each for each in everyone if each[0] <= share * most and each[2].vocabulary in (0, size)]
        if fitting:
            largest = max(cost for cost, _, _ in fitting)
            found.append(min((each for each in fitting if each[0] >= 0.8 * largest), key=lambda each: each[1])[2])
    return list(dict.fromkeys(found))


def begin(study: optuna.Study, space: SearchSpace, students: Sequence[StudentSpec]) -> None:
    """Let a study look at these students before all others, once."""
    if study.user_attrs.get(BEGUN):
        return
    for spec in students:
        study.enqueue_trial(space.parameters(spec), skip_if_exists=True)
    study.set_user_attr(BEGUN, True)


def _considered(space: SearchSpace) -> Iterator[StudentSpec]:
    if space.count() <= ENOUGH:
        return space.students()
    draw = Chance(random.Random(0).randrange)  # noqa: S311  (a choice, no secret)
    return (space.suggest(draw) for _ in range(ENOUGH))


def _distance(spec: StudentSpec, teacher: Proportions, layers: int) -> float:
    """Tell how far a student's proportions are from its teacher's, each twice as much or half as much counting 1."""
    pairs = (
        (spec.layers / spec.inner, layers / teacher.hidden),
        (spec.feed_forward * spec.feed_forwards / spec.inner, teacher.feed_forward / teacher.hidden),
        (spec.inner / spec.heads, teacher.hidden / teacher.heads),
    )
    return sum(abs(math.log2(ours / theirs)) for ours, theirs in pairs)
