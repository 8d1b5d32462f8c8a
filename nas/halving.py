"""Successive halving for several objectives: who is clearly behind early does not train to the end.

Li et al. 2020, "A system for massively parallel hyperparameter tuning" (ASHA), arXiv:1810.05934: at each rung the best
share of those that have come to it goes on, without waiting for others. Deviation: with several objectives "best" is
by the number of candidates that are at least as good in everything and better in something (Optuna's own pruners know
one objective). Scores at a rung are compared with scores at the same rung alone.
"""

from collections.abc import Sequence

Scores = tuple[float, ...]
FEWEST = 4
"""So many must have come to a rung before any is stopped there."""


def dominates(one: Scores, other: Scores) -> bool:
    """Tell whether one is at least as good in everything and better in something; all are to be small."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def goes_on(own: Scores, others: Sequence[Scores], share: float = 0.5) -> bool:
    """Tell whether a candidate trains on after a rung.

    Args:
        own: its scores there, all to be small.
        others: those of the candidates that came there before.
        share: of all that come there, the best that go on; 1 stops none.
    """
    if len(others) + 1 < FEWEST:
        return True
    everyone = [own, *others]
    behind = [sum(dominates(other, one) for other in everyone) for one in everyone]
    place = sum(number < behind[0] for number in behind)  # candidates that are surely better placed
    return place < max(1.0, share * len(everyone))


def rungs(steps: int, count: int, factor: int = 2) -> tuple[int, ...]:
    """Return the steps after which candidates are compared, the last of them `steps`.

    Args:
        steps: of a candidate that is not stopped.
        count: of rungs at most.
        factor: how many times the steps of a rung the next one has.
    """
    return tuple(sorted({max(1, steps // factor**number) for number in range(count)}))
