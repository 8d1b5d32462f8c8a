"""An Optuna study that belongs to one question, and the loop that works on it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from distill.config import differences
from nas.goals import Goals
from nas.objective import NOTE, STUDENT, TWIN, Objective
from nas.quiet import quiet
from nas.sampling import sampler, wanting
from nas.search_space import SearchSpace
from nas.workers import is_mine, lost, queue_again, seconds_before, take_up, waiting
from pocketbert.errors import UserError
from students.spec import StudentSpec

SETTINGS, LIMITS, REFERENCE = "settings", "limits", "reference"
FAILURES_IN_A_ROW = 3
TWINS_IN_A_ROW = 5
"""After so many students that were looked at before, one is chosen at random."""

Ended = Callable[[optuna.Study, FrozenTrial], None]


def open_study(storage: BaseStorage, name: str, goals: Goals, settings: Mapping[str, Any]) -> optuna.Study:
    """Make a study, or go on with one.

    Args:
        storage: open.
        name: of the study in the storage.
        goals: give the directions.
        settings: everything that decides what a trial's numbers mean.

    Raises:
        UserError: it is there and has other settings (naming them).
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=goals.directions)
        study.set_user_attr(SETTINGS, dict(settings))
        with quiet():
            study.set_metric_names(list(goals.objectives))
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
    before = _settings(study)
    if before is None:
        raise UserError(f"the storage has a study '{name}' that this command did not make: give another --name.")
    differing = differences(before, dict(settings))
    if differing:
        raise UserError(
            f"the study '{name}' is of another search ({'; '.join(differing[:3])}): give another --name or --out."
        )
    return study


def agreed(study: optuna.Study, goals: Goals) -> Goals:
    """Return the goals with the limits of the study's first worker: another machine would measure its own."""
    if LIMITS not in study.user_attrs:
        study.set_user_attr(LIMITS, goals.model_dump(mode="json"))
    return Goals.model_validate(study.user_attrs[LIMITS])


def agreed_reference(study: optuna.Study, student: str, latency_ms: float) -> float:
    """Return the hand-made student's latency as the study's first worker measured it, beside which all others stand.

    Args:
        study: that other workers may work on, too.
        student: the hand-made one.
        latency_ms: as this worker measured it.

    Raises:
        UserError: the study compares with another student.
    """
    if REFERENCE not in study.user_attrs:
        study.set_user_attr(REFERENCE, {"student": student, "latency_ms": latency_ms})
    kept = study.user_attrs[REFERENCE]
    if kept["student"] != student:
        raise UserError(
            f"the study '{study.study_name}' compares with {kept['student']}, not with {student}: give "
            f"--compared-with {kept['student']}, or another --name or --out."
        )
    return float(kept["latency_ms"])


def _settings(study: optuna.Study) -> dict[str, Any] | None:
    """Return a study's settings; whoever has just made it may still be writing them."""
    for _ in range(20):
        found: dict[str, Any] | None = study.user_attrs.get(SETTINGS)
        if found is not None:
            return found
        time.sleep(0.1)
    return None


def looked_at(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that are finished, one a student."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    once = {trial.user_attrs.get(STUDENT): trial for trial in reversed(finished) if TWIN not in trial.user_attrs}
    return sorted(once.values(), key=lambda trial: trial.number)


def search(
    study: optuna.Study,
    objective: Objective,
    space: SearchSpace,
    method: str,
    seed: int,
    *,
    trials: int,
    seconds: float,
    ended: Ended,
    propose: Callable[[optuna.Study], StudentSpec | None] | None = None,
) -> None:
    """Work on a study until it has so many students, or the time is over, or no student is left.

    Students that were lost with their workers are looked at in any case, if the time allows it.

    Args:
        study: that other workers may work on, too.
        objective: of a trial.
        space: of the students.
        method: of `nas.sampling`.
        seed: of the choices.
        trials: students in all.
        seconds: that this machine works, earlier calls included; the last trial is not cut short.
        ended: called after each trial.
        propose: says which student is next where none waits; None: the method's sampler chooses.
    """
    if is_over(study, trials, seconds):
        return
    begin, count, twins, failed = time.monotonic() - seconds_before(study), space.count(), 0, 0
    while time.monotonic() - begin < seconds:
        take_up(study)
        done = len(looked_at(study))
        if done >= min(trials, count) and not lost(study):
            break
        stuck = method != "random" and twins >= TWINS_IN_A_ROW
        study.sampler = sampler("random" if stuck else method, seed, study)
        objective.begin()
        spec = propose(study) if propose is not None and not stuck and not waiting(study) else None
        if spec is not None:
            study.sampler = wanting(space.parameters(spec), study.sampler)
        note = _one(study, objective, ended)
        failed = failed + 1 if note else 0
        if note and failed == FAILURES_IN_A_ROW:
            raise UserError(f"{failed} students in a row failed, the last of them with: {note}")
        twins = 0 if len(looked_at(study)) > done else twins + 1
        if twins > 2 * TWINS_IN_A_ROW:  # what is left is perhaps at work elsewhere
            time.sleep(min(2.0, 0.02 * twins))
    study.set_user_attr(_over(trials, seconds), True)


def is_over(study: optuna.Study, trials: int, seconds: float) -> bool:
    """Tell whether a study was worked on until it had so many students or the time was over."""
    return bool(study.user_attrs.get(_over(trials, seconds)))


def _over(trials: int, seconds: float) -> str:
    return f"over:{trials}:{seconds:g}"


def _one(study: optuna.Study, objective: Objective, ended: Ended) -> str | None:
    """Look at one student; return why it failed, if it did."""
    seen: list[FrozenTrial] = []
    with quiet():
        try:
            # Through optimize, since only there a trial gives signs of life.
            study.optimize(
                objective, n_trials=1, catch=(UserError,), callbacks=[ended, lambda _, trial: seen.append(trial)]
            )
        except KeyboardInterrupt:
            _queue_interrupted(study)
            raise
        except (UpdateFinishedTrialError, ValueError) as error:
            if isinstance(error, ValueError) and "Cannot tell" not in str(error):
                raise
            return None  # taken for dead, and taken up by another worker
    return next((trial.user_attrs.get(NOTE) for trial in seen if trial.state == TrialState.FAIL), None)


def _queue_interrupted(study: optuna.Study) -> None:
    """Queue again the trial that this process was at."""
    failed = [t for t in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)) if is_mine(t)]
    if failed:
        queue_again(study, failed[-1])
