"""Trials whose worker is gone are taken up again; who works on a trial is written on it."""

import os
import platform
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.quiet import quiet

WORKER, RETRIES, SECONDS = "worker", "retries", "seconds"
MOST_RETRIES = 3


def sign(trial: Trial) -> None:
    """Write on a trial which process works on it."""
    trial.set_user_attr(WORKER, _this_process())


def is_mine(trial: FrozenTrial) -> bool:
    """Tell whether this process has worked on a trial."""
    worker: dict[str, Any] | None = trial.user_attrs.get(WORKER)
    return worker == _this_process()


def take_up(study: optuna.Study) -> int:
    """Queue again the trials of dead workers; return how many.

    A worker of this machine is dead when its process is; one elsewhere when its storage has seen no sign of life of it
    for the grace period (databases alone see that).
    """
    before = waiting(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial.user_attrs.get(WORKER)):
            _give_up(study, trial)
    with quiet():
        fail_stale_trials(study)
    return waiting(study) - before


def queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue the student of a trial that was lost, a few times at most; nothing else of that trial counts."""
    retries = trial.user_attrs.get(RETRIES, 0)
    if trial.params and retries < MOST_RETRIES:
        study.enqueue_trial(trial.params, user_attrs={RETRIES: retries + 1})


def _give_up(study: optuna.Study, trial: FrozenTrial) -> None:
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):  # another worker was faster
        return
    queue_again(study, trial)


def seconds_before(study: optuna.Study) -> float:
    """Return how long processes of this machine that have ended worked on a study."""
    ended = (t for t in study.get_trials(deepcopy=False) if _is_dead(t.user_attrs.get(WORKER)))
    return float(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in ended))


def lost(study: optuna.Study) -> int:
    """Return how many of the queued students were lost with their workers."""
    queued = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return sum(RETRIES in trial.user_attrs for trial in queued)


def waiting(study: optuna.Study) -> int:
    """Return how many students are queued."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _this_process() -> dict[str, Any]:
    return {"machine": _this_machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def _started(process: int) -> float:
    """Return when a process began, in ticks since boot where the system tells: a clock may be set.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    stat = Path(f"/proc/{process}/stat")
    try:
        return float(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except OSError:
        return float(psutil.Process(process).create_time())


def _this_machine() -> str:
    """Return a name for this boot of this machine; two may have the same host name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{platform.node()} {boot.read_text().strip() if boot.exists() else psutil.boot_time()}"


def _is_dead(worker: dict[str, Any] | None) -> bool:
    """Tell whether a worker of this machine is gone; one of another machine can't be seen from here."""
    if worker is None or worker["machine"] != _this_machine():
        return False
    try:
        return bool(_started(worker["pid"]) != worker["started"])
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
