import optuna
import pytest
from optuna.trial import TrialState

from nas.goals import Goals
from nas.objective import FOOTPRINT, NOTE, QUALITY, STUDENT, TWIN
from students.spec import parse_student
from tests.nas.studies import known, small_space


def _run(study, objective, count, catch=()):
    study.optimize(objective, n_trials=count, catch=catch)
    return study.trials


def test_a_student_is_trained_once_however_often_it_is_drawn():
    study, objective, proxy = known(space=small_space("layers=1..2", "hidden=96", "heads=4", "feed_forward=256"))
    trials = _run(study, objective, 12)
    assert sorted(proxy.trained) == sorted(set(proxy.trained))
    assert len(proxy.trained) == 2
    twins = [trial for trial in trials if TWIN in trial.user_attrs]
    assert len(twins) == 10
    for twin in twins:
        first = trials[twin.user_attrs[TWIN]]
        assert twin.values == first.values
        assert twin.user_attrs[QUALITY] == first.user_attrs[QUALITY]
        assert TWIN not in first.user_attrs


def test_a_student_over_a_limit_is_not_trained():
    study, objective, proxy = known(goals=Goals(max_latency_ms=2.0, max_size_mb=12.0))
    for trial in _run(study, objective, 30):
        layers, hidden = (int(trial.user_attrs[STUDENT].split(f"{n}=")[1].split(",")[0]) for n in ("layers", "hidden"))
        within = layers * hidden / 100 <= 2.0 and hidden / 10 <= 12.0
        assert (trial.state == TrialState.COMPLETE) == within
        assert (trial.user_attrs[STUDENT] in proxy.trained) == within
        assert all(value <= 0 for value in trial.constraints.values()) == within
        if not within and TWIN not in trial.user_attrs:
            assert "over the limit" in trial.user_attrs[NOTE]
            assert " ms" in trial.user_attrs[NOTE] or " MB" in trial.user_attrs[NOTE]


def test_a_student_that_keeps_too_little_of_its_teacher_is_complete_and_infeasible():
    study, objective, _ = known(goals=Goals(min_retention=0.75))  # 0.3 of a teacher's 0.4
    for trial in _run(study, objective, 20):
        assert trial.state == TrialState.COMPLETE
        assert (trial.constraints["retention"] <= 1e-9) == (trial.user_attrs[QUALITY] >= 0.3)


def test_who_is_behind_at_a_rung_is_stopped_there():
    space = small_space("layers=1..4", "hidden=96", "heads=4", "feed_forward=256..1536/256")
    study, objective, _ = known(space=space, goals=Goals(objectives=("quality",)), share=0.25)
    trials = [trial for trial in _run(study, objective, 24) if TWIN not in trial.user_attrs]
    stopped = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert stopped
    assert all(trial.user_attrs[NOTE] == "behind after 5 steps" for trial in stopped)
    assert all("rung:10" not in trial.user_attrs for trial in stopped)
    best = max(trial.user_attrs["rung:5"][0] * -1 for trial in trials)
    assert best not in {trial.user_attrs["rung:5"][0] * -1 for trial in stopped}


def test_a_twin_of_a_running_trial_is_not_trained_beside_it():
    study, objective, proxy = known(space=small_space("layers=2", "hidden=96", "heads=4", "feed_forward=256"))
    first = study.ask()
    first.set_user_attr(STUDENT, "family=bert,layers=2,hidden=96,heads=4,feed_forward=256")
    with pytest.raises(optuna.TrialPruned, match="the same student as trial 0"):
        objective(study.ask())
    assert not proxy.trained
    assert FOOTPRINT not in study.trials[1].user_attrs


def test_a_student_no_better_than_a_constant_answer_is_on_no_front():
    study, objective, proxy = known(space=small_space("layers=1..4", "hidden=96", "heads=6", "feed_forward=256"))
    proxy.floor = 0.2
    study.optimize(objective, n_trials=20)
    kept = {trial.user_attrs[STUDENT] for trial in study.best_trials}
    assert all(parse_student(text).layers > 2 for text in kept) and kept
