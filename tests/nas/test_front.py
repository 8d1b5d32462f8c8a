import optuna

from nas.front import candidates, chosen
from nas.goals import Goals
from nas.objective import DISTANCE, FOOTPRINT, QUALITY, STUDENT, TWIN


def _study(goals, *points):
    study = optuna.create_study(directions=goals.directions)
    for number, (quality, latency, size, constraint) in enumerate(points):
        footprint = {"latency_ms": latency, "size_mb": size, "memory_mb": None}
        attributes = {STUDENT: f"s{number}", QUALITY: quality, DISTANCE: 1 - quality, FOOTPRINT: footprint}
        study.add_trial(
            optuna.create_trial(
                values=[{"quality": quality, "latency": latency, "size": size}[name] for name in goals.objectives],
                user_attrs=attributes,
                system_attrs={"constraints:latency": constraint},
            )
        )
    return study


POINTS = [(0.8, 3.0, 9.0, -0.1), (0.9, 5.0, 9.0, 0.2), (0.7, 1.0, 9.0, -0.1), (0.7, 2.0, 9.0, -0.1)]


def test_the_best_keeps_the_limits_and_has_the_highest_quality():
    found = candidates(_study(Goals(), *POINTS), Goals())
    assert [(c.student, c.on_front) for c in found] == [("s0", True), ("s2", True), ("s3", False)]


def test_the_order_of_the_objectives_does_not_decide():
    goals = Goals(objectives=("latency", "quality"))
    assert [c.student for c in candidates(_study(goals, *POINTS), goals)] == ["s0", "s2", "s3"]


def test_with_a_limit_on_retention_the_cheapest_is_best():
    goals = Goals(min_retention=0.5)
    assert [c.student for c in candidates(_study(goals, *POINTS), goals)] == ["s2", "s3", "s0"]


def test_of_students_that_the_rows_cannot_tell_apart_the_nearest_to_the_teacher_is_best():
    study = optuna.create_study(directions=Goals().directions)
    for quality, distance, latency in ((0.80, 0.5, 1.0), (0.79, 0.2, 3.0), (0.795, 0.4, 2.0), (0.70, 0.1, 2.5)):
        footprint = {"latency_ms": latency, "size_mb": 9.0, "memory_mb": None}
        attributes = {STUDENT: f"s{distance}", QUALITY: quality, DISTANCE: distance, FOOTPRINT: footprint}
        study.add_trial(optuna.create_trial(values=[quality, latency], user_attrs=attributes))
    for noise, best in ((0.0, 0.80), (0.003, 0.795), (0.01, 0.79)):
        found = candidates(study, Goals(), noise)
        assert found[0].quality == best
        rest = [candidate.quality for candidate in found[1:]]
        assert rest == sorted(rest, reverse=True) and len(found) == 4
    assert candidates(study, Goals(min_retention=0.1), 0.01)[0].footprint.latency_ms == 1.0, "there the cheapest is"


def test_those_that_were_looked_at_longer_are_finished_first():
    found = candidates(_study(Goals(), *POINTS), Goals())
    longer = [found[2], found[0], found[1]]
    assert [c.student for c in chosen(longer, 2, looked=1)] == ["s3", "s0"]
    assert [c.student for c in chosen([found[0], found[2], found[1]], 2, looked=2)] == ["s0", "s3"]
    assert [c.student for c in chosen([found[0], found[2], found[1]], 2, looked=1)] == ["s0", "s2"]


def test_twins_are_one_student():
    study = _study(Goals(), *POINTS)
    study.add_trial(optuna.create_trial(values=[0.8, 3.0], user_attrs={**study.trials[0].user_attrs, TWIN: 0}))
    assert len(candidates(study, Goals())) == 3


def test_the_front_is_finished_before_the_rest():
    found = candidates(_study(Goals(), *POINTS), Goals())
    assert [c.student for c in chosen(found, 2)] == ["s0", "s2"]
    assert [c.student for c in chosen(found, 9)] == ["s0", "s2", "s3"]
    assert chosen(found, 0) == []
    assert chosen([], 3) == []
