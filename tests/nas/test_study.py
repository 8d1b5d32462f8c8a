import optuna
import pytest
from optuna.trial import TrialState

from nas.goals import Goals
from nas.objective import STUDENT
from nas.storage import open_storage
from nas.study import agreed_reference, looked_at, open_study, search
from pocketbert.errors import UserError
from tests.nas.studies import known, small_space

SETTINGS = {"data": "a", "goals": {"max_latency_ms": 3.0}}


def _open(path, **changes):
    return open_study(open_storage(str(path)), "search", Goals(), SETTINGS | changes)


def _search(study, *, space=None, trials=100, seconds=60, method="tpe", seed=0):
    space = space or small_space()
    _, objective, proxy = known(space=space, study=study)
    seen = []
    search(
        study, objective, space, method, seed, trials=trials, seconds=seconds, ended=lambda _, trial: seen.append(trial)
    )
    return proxy, seen


@pytest.mark.parametrize("name", ["study.db", "study.journal"])
def test_a_study_goes_on_where_it_was(tmp_path, name):
    first, _ = _search(_open(tmp_path / name), trials=3)
    assert len(first.trained) == 3
    again = _open(tmp_path / name)
    second, _ = _search(again, trials=5)
    assert len(second.trained) == 2
    assert not set(first.trained) & set(second.trained)
    assert len(looked_at(again)) == 5


@pytest.mark.parametrize("method", ["tpe", "nsga2", "random"])
def test_a_search_ends_when_every_student_was_looked_at(tmp_path, method):
    study = _open(tmp_path / "study.db")
    proxy, seen = _search(study, method=method)
    assert sorted(proxy.trained) == sorted(spec.name for spec in small_space().students())
    assert len(seen) == len(study.trials)


def test_a_search_ends_when_its_time_is_over(tmp_path):
    proxy, _ = _search(_open(tmp_path / "study.db"), seconds=0)
    assert not proxy.trained


def test_the_same_seed_draws_the_same_students(tmp_path):
    trained = [_search(_open(tmp_path / f"{i}.db"), trials=6, seed=4)[0].trained for i in range(2)]
    assert trained[0] == trained[1]


def test_a_study_of_another_search_is_refused_by_what_differs(tmp_path):
    _open(tmp_path / "study.db")
    with pytest.raises(UserError, match=r"data: a there, b here"):
        _open(tmp_path / "study.db", data="b")
    with pytest.raises(UserError, match=r"goals.max_latency_ms: 3.0 there, 2.0 here"):
        _open(tmp_path / "study.db", goals={"max_latency_ms": 2.0})


def test_a_study_that_is_not_ours_is_refused(tmp_path):
    optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}", study_name="search", directions=["maximize"] * 2)
    with pytest.raises(UserError, match="that this command did not make"):
        _open(tmp_path / "study.db")


@pytest.mark.parametrize("name", ["study.db", "study.journal"])
def test_an_interrupted_student_is_taken_up_first(tmp_path, name):
    study = _open(tmp_path / name)
    space = small_space()
    _, objective, proxy = known(space=space, study=study)

    def press(spec, model, watch):
        raise KeyboardInterrupt

    proxy.train = press
    with pytest.raises(KeyboardInterrupt):
        search(study, objective, space, "tpe", 0, trials=3, seconds=60, ended=lambda *_: None)
    lost = study.trials[0].user_attrs[STUDENT]
    assert study.trials[0].state == TrialState.FAIL
    again, _ = _search(_open(tmp_path / name), trials=3)
    assert again.trained[0] == lost
    assert len(again.trained) == 3


def test_a_lost_student_is_looked_at_though_others_were_queued_before_it(tmp_path):
    study, space = _open(tmp_path / "study.db"), small_space()
    queued = list(space.students())[:3]
    for spec in queued:
        study.enqueue_trial(space.parameters(spec))
    _, objective, proxy = known(space=space, study=study)

    def press(*_):
        raise KeyboardInterrupt

    proxy.train = press
    with pytest.raises(KeyboardInterrupt):
        search(study, objective, space, "tpe", 0, trials=2, seconds=60, ended=lambda *_: None)
    again, _ = _search(_open(tmp_path / "study.db"), space=space, trials=2)
    assert set(again.trained) == {spec.name for spec in queued}, "the lost one came after the two that were asked for"


def test_students_that_all_fail_end_the_search_with_the_reason(tmp_path):
    study = _open(tmp_path / "study.db")
    _, objective, proxy = known(study=study)

    def fail(*_):
        raise UserError("no memory is told here")

    proxy.train = fail
    with pytest.raises(UserError, match="3 students in a row failed, the last of them with: no memory is told here"):
        search(study, objective, small_space(), "tpe", 0, trials=9, seconds=60, ended=lambda *_: None)


def test_a_student_that_fails_does_not_end_the_search(tmp_path):
    study = _open(tmp_path / "study.db")
    space = small_space()
    _, objective, proxy = known(space=space, study=study)
    real, calls = proxy.train, []

    def fail_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise UserError("the loss is not a number")
        return real(*arguments)

    proxy.train = fail_once
    search(study, objective, space, "tpe", 0, trials=3, seconds=60, ended=lambda *_: None)
    assert len(looked_at(study)) == 3


def test_the_first_workers_reference_is_that_of_all(tmp_path):
    study = _open(tmp_path / "study.db")
    assert agreed_reference(study, "tiny", 1.43) == 1.43
    assert agreed_reference(_open(tmp_path / "study.db"), "tiny", 2.67) == 1.43, "a busy or slower machine's"
    with pytest.raises(UserError, match="compares with tiny, not with 3x384"):
        agreed_reference(study, "3x384", 1.43)
