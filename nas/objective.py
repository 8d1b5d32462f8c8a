"""What one trial does: look at a student's costs first, and train it only if they are within the limits."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from transformers import PreTrainedModel

from nas.footprint import Footprint
from nas.goals import UNITS, Goals
from nas.halving import goes_on
from nas.scoring import Scorer
from nas.search_space import SearchSpace
from nas.workers import SECONDS, sign
from pocketbert.errors import UserError
from students.spec import StudentSpec

STUDENT, FOOTPRINT, QUALITY, DISTANCE, TWIN, NOTE = "student", "footprint", "quality", "distance", "twin", "note"
RUNG = "rung:"
LEARNT = "being better than the same answer for every row"
"""A constraint: the fastest student of all says nothing, and would else be on every front."""

LEAST_GAIN = 1e-6


class Objective:
    """The function that Optuna calls with each trial.

    Args:
        study: of all trials.
        space: gives each trial its student.
        goals: objectives and limits.
        scorer: scores students.
        weigh: returns a student's costs.
        teacher: the teacher's metric.
        share: of the students at a rung that go on.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: SearchSpace,
        goals: Goals,
        scorer: Scorer,
        weigh: Callable[[StudentSpec, PreTrainedModel], Footprint],
        teacher: float,
        share: float,
    ) -> None:
        self._study, self._space, self._goals, self._scorer = study, space, goals, scorer
        self._weigh, self._teacher, self._share = weigh, teacher, share
        self._begin: float | None = None

    def begin(self) -> None:
        """Count from now on what the next trial takes, with the choice of its student."""
        self._begin = time.monotonic()

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        """Return the objectives' values of a trial's student.

        Raises:
            TrialPruned: it is over a limit, behind at a rung, or being trained already.
        """
        begin, self._begin = self._begin or time.monotonic(), None
        sign(trial)
        spec = self._space.suggest(trial)
        trial.set_user_attr(STUDENT, spec.name)  # before looking: of two workers at one student the later one yields
        twin = self._twin(trial, spec)
        if twin is not None:
            return self._as(trial, twin)
        try:
            return self._measured(trial, spec)
        except UserError as error:
            trial.set_user_attr(NOTE, str(error))
            raise
        finally:
            trial.set_user_attr(SECONDS, time.monotonic() - begin)

    def _twin(self, trial: Trial, spec: StudentSpec) -> FrozenTrial | None:
        """Return an earlier trial of the same student that has not failed."""
        live = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        same = (
            other
            for other in self._study.get_trials(deepcopy=False, states=live)
            if other.user_attrs.get(STUDENT) == spec.name
            and (other.number < trial.number or (other.number > trial.number and other.state != TrialState.RUNNING))
        )
        return next((other for other in same if TWIN not in other.user_attrs), None)

    def _as(self, trial: Trial, twin: FrozenTrial) -> tuple[float, ...]:
        """End a trial as its twin did, without doing anything twice."""
        trial.set_user_attr(TWIN, twin.number)
        for name, value in twin.constraints.items():
            trial.set_constraint(name, value)
        for name in (FOOTPRINT, QUALITY, DISTANCE):
            if name in twin.user_attrs:
                trial.set_user_attr(name, twin.user_attrs[name])
        if twin.state != TrialState.COMPLETE:
            raise _ended(trial, f"the same student as trial {twin.number}")
        return tuple(twin.values)

    def _measured(self, trial: Trial, spec: StudentSpec) -> tuple[float, ...]:
        model = self._scorer.build(spec)
        footprint = self._weigh(spec, model)
        trial.set_user_attr(FOOTPRINT, asdict(footprint))
        violations = self._goals.violations(footprint)
        for name, violation in violations.items():
            trial.set_constraint(name, violation)
        over = [name for name, violation in violations.items() if violation > 0]
        if over:
            raise _ended(trial, f"over the limit: {', '.join(told(name, footprint) for name in over)}")
        self._scorer.start(spec, model)
        stopped: list[int] = []

        def watch(steps: int, quality: float) -> bool:
            going = self._goes_on(trial, footprint, steps, quality)
            if not going and steps < self._scorer.last:
                stopped.append(steps)
            return going

        quality, distance = self._scorer.train(spec, model, watch)
        trial.set_user_attr(QUALITY, quality)
        trial.set_user_attr(DISTANCE, distance)
        if stopped:
            raise _ended(trial, f"behind after {stopped[0]} steps")
        trial.set_constraint(LEARNT, self._scorer.floor + LEAST_GAIN - quality)
        lost = self._goals.lost(quality, self._teacher)
        if lost is not None:
            trial.set_constraint("retention", lost)
        return self._goals.values(quality, footprint)

    def _goes_on(self, trial: Trial, footprint: Footprint, steps: int, quality: float) -> bool:
        own = self._goals.as_costs(self._goals.values(quality, footprint))
        name = f"{RUNG}{steps}"
        trial.set_user_attr(name, list(own))
        if steps >= self._scorer.last:
            return True
        trials = (t for t in self._study.get_trials(deepcopy=False) if t.number != trial.number)
        others = [tuple(other.user_attrs[name]) for other in trials if name in other.user_attrs]
        return goes_on(own, others, self._share)


def _ended(trial: Trial, note: str) -> optuna.TrialPruned:
    trial.set_user_attr(NOTE, note)
    return optuna.TrialPruned(note)


def told(name: str, footprint: Footprint) -> str:
    """Say one of a footprint's costs, with its unit."""
    values: dict[str, Any] = {
        "latency": footprint.latency_ms, "size": footprint.size_mb, "memory": footprint.memory_mb,
    }  # fmt: skip
    return f"{name} {values[name]:.2f}{UNITS[name]}"
