"""Trials whose worker is gone are taken up again; who works on a trial is written on it."""

import os
import platform
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.quiet import quiet

WORKER = "worker"


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
    before = _waiting(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial.user_attrs.get(WORKER)):
            _queue_again(study, trial)
    with quiet():
        fail_stale_trials(study)
    return _waiting(study) - before


def _queue_again(study: optuna.Study, trial: FrozenTrial) -> None:
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):  # another worker was faster
        return
    with quiet():
        RetryHeartbeatStaleTrialCallback()(study, study.trials[trial.number])


def _waiting(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _this_process() -> dict[str, Any]:
    return {"machine": _this_machine(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _this_machine() -> str:
    """Return a name for this boot of this machine; two may have the same host name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{platform.node()} {boot.read_text().strip() if boot.exists() else psutil.boot_time()}"


def _is_dead(worker: dict[str, Any] | None) -> bool:
    """Tell whether a worker of this machine is gone; one of another machine can't be seen from here."""
    if worker is None or worker["machine"] != _this_machine():
        return False
    try:
        return bool(psutil.Process(worker["pid"]).create_time() != worker["started"])
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
