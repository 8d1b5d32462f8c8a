"""The best of what a search has looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.footprint import Footprint
from nas.goals import Goals, cost_of
from nas.halving import dominates
from nas.objective import DISTANCE, FOOTPRINT, QUALITY, STUDENT
from nas.study import looked_at


@dataclass(frozen=True)
class Candidate:
    """A student that was trained to the end of the proxy and keeps every limit.

    Attributes:
        student: what `--student` takes.
        quality: its metric after the short distillation.
        distance: of its answers from the teacher's then; see `nas.scoring.Score`.
        footprint: its costs.
        trial: its number; None of the hand-made student, which is none of the search's.
        on_front: whether none is better in one objective and as good in the others.
    """

    student: str
    quality: float
    distance: float
    footprint: Footprint
    trial: int | None
    on_front: bool

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "student": self.student,
            "quality": self.quality,
            "distance": self.distance,
            **vars(self.footprint),
            "trial": self.trial,
        }


def feasible(trial: FrozenTrial) -> bool:
    """Tell whether a finished trial keeps every limit."""
    return trial.state == TrialState.COMPLETE and all(value <= 0 for value in trial.constraints.values())


def stopped_early(study: optuna.Study) -> list[Candidate]:
    """Return the students that fell behind others at a rung, with what they were worth then."""
    return [
        _candidate(trial, on_front=False)
        for trial in looked_at(study)
        if trial.state == TrialState.PRUNED and QUALITY in trial.user_attrs
    ]


def candidates(study: optuna.Study, goals: Goals, noise: float = 0.0) -> list[Candidate]:
    """Return the students that keep every limit, the best first.

    With quality among the objectives the best is the one of the highest quality; of those that are alike (see `alike`)
    the one whose answers are nearest to the teacher's. Without, the first objective decides. A limit on retention turns
    that round: the cheapest that keeps it.

    Args:
        study: with its trials.
        goals: objectives and limits.
        noise: the standard error of a metric, as far as the rows that it was measured on make it.
    """
    trials = [trial for trial in looked_at(study) if feasible(trial)]
    costs = {t.number: goals.as_costs(tuple(t.values)) for t in trials}
    found = [
        _candidate(trial, on_front=not any(dominates(other, costs[trial.number]) for other in costs.values()))
        for trial in trials
    ]
    found.sort(key=lambda candidate: _rank(candidate, goals))
    if by_quality(goals) and noise and found:
        best = min(alike(found, noise), key=lambda candidate: candidate.distance)
        found.remove(best)
        found.insert(0, best)
    return found


def _candidate(trial: FrozenTrial, *, on_front: bool) -> Candidate:
    attributes = trial.user_attrs
    return Candidate(
        attributes[STUDENT],
        attributes[QUALITY],
        attributes[DISTANCE],
        Footprint(**attributes[FOOTPRINT]),
        trial.number,
        on_front,
    )


def by_quality(goals: Goals) -> bool:
    """Tell whether the student of the highest quality within the limits is wanted."""
    return goals.min_retention is None and "quality" in goals.objectives


def alike(found: Sequence[Candidate], noise: float) -> list[Candidate]:
    """Return the students whose metrics the evaluation rows hardly tell from the highest: two standard errors below."""
    highest = max(candidate.quality for candidate in found)
    return [candidate for candidate in found if candidate.quality >= highest - 2 * noise]


def _rank(candidate: Candidate, goals: Goals) -> tuple[float, ...]:
    values = goals.as_costs(goals.values(candidate.quality, candidate.footprint))
    if goals.min_retention is None:
        first = -candidate.quality if "quality" in goals.objectives else values[0]
        return (first, *values)
    costs = [value for name, value in zip(goals.objectives, values, strict=True) if name != "quality"]
    return (*costs, -candidate.quality)


def chosen(found: Sequence[Candidate], count: int, looked: int = 1) -> list[Candidate]:
    """Return the students to finish: the first few, which were looked at longer, then the front, then the rest.

    Args:
        found: the best first.
        count: so many.
        looked: so many of them come first whether or not they are on the front.
    """
    best, others = found[:looked], found[looked:]
    return [*best, *(c for c in others if c.on_front), *(c for c in others if not c.on_front)][:count]


def reference_point(goals: Goals, floor: float, studies: Sequence[optuna.Study]) -> list[float]:
    """Return the worst value of each objective that counts in the hypervolume: the limits, and of the quality a floor.

    Where there is no limit it is the largest cost that was met.
    """
    met = [t.user_attrs[FOOTPRINT] for s in studies for t in s.get_trials(deepcopy=False) if FOOTPRINT in t.user_attrs]

    def largest(cost: str) -> float:
        return max((cost_of(Footprint(**each), cost) for each in met), default=1.0)

    return [floor if name == "quality" else goals.limit(name) or largest(name) for name in goals.objectives]
