import optuna
import pytest

from nas.footprint import Footprint
from nas.goals import Goals
from nas.incumbent import incumbent
from students.spec import parse_student
from tests.nas.studies import KnownProxy

SPEC = parse_student("family=bert,layers=3,hidden=96,heads=6,feed_forward=256")


def _weigh(spec, model):
    return Footprint(latency_ms=1.04, size_mb=9.00004)


def _incumbent(study, scorer, goals):
    return incumbent(study, SPEC, scorer, goals, _weigh, 1.00004)


def test_it_keeps_the_limits_that_it_sets_itself_whatever_a_second_measurement_says():
    found = _incumbent(optuna.create_study(), KnownProxy(), Goals(max_latency_ms=1.0, max_size_mb=9.0))
    assert found.footprint == Footprint(1.0, 9.0)
    assert (found.student, found.quality, found.distance) == (SPEC.name, pytest.approx(0.3), pytest.approx(0.7))
    assert found.trial is None and not found.on_front


@pytest.mark.parametrize("goals", [Goals(max_latency_ms=0.99), Goals(max_size_mb=8.9)])
def test_where_it_is_over_a_limit_nothing_is_trained(goals):
    scorer = KnownProxy()
    assert _incumbent(optuna.create_study(), scorer, goals) is None
    assert scorer.trained == []


def test_it_is_trained_once():
    study, scorer = optuna.create_study(), KnownProxy()
    assert _incumbent(study, scorer, Goals()) == _incumbent(study, scorer, Goals())
    assert len(scorer.trained) == 1
