import multiprocessing
import os

import optuna
import pytest
from optuna.trial import TrialState

from nas.storage import open_storage
from nas.workers import WORKER, is_mine, sign, take_up

# The tests ask for trials without running them, and Optuna's signs of life need a run.
pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage")


def _study(path):
    return optuna.create_study(storage=open_storage(str(path)), study_name="s", load_if_exists=True)


def _ask_and_die(path):
    trial = _study(path).ask()
    trial.suggest_int("x", 0, 10**6)
    sign(trial)
    os._exit(1)


@pytest.mark.parametrize("name", ["study.db", "study.journal"])
def test_a_dead_workers_trial_is_queued_once_with_the_same_values(tmp_path, name):
    study = _study(tmp_path / name)
    worker = multiprocessing.get_context("spawn").Process(target=_ask_and_die, args=(tmp_path / name,))
    worker.start()
    worker.join()
    study = _study(tmp_path / name)
    drawn = study.trials[0].params
    assert take_up(study) == 1
    assert take_up(study) == 0
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    again = study.ask()
    assert again.suggest_int("x", 0, 10**6) == drawn["x"]


def test_a_live_workers_trial_and_one_of_another_machine_are_left_alone(tmp_path):
    study = _study(tmp_path / "study.db")
    own, foreign, unsigned = study.ask(), study.ask(), study.ask()
    sign(own)
    foreign.set_user_attr(WORKER, {"machine": "elsewhere", "pid": 1, "started": 0.0})
    assert take_up(study) == 0
    assert {trial.state for trial in study.trials} == {TrialState.RUNNING}
    assert [is_mine(study.trials[t.number]) for t in (own, foreign, unsigned)] == [True, False, False]
