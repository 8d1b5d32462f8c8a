import json
import random

import pytest

from nas.footprint import Setting
from nas.latency_model import LatencyModel, Timing, parts
from nas.spaces import parse_space
from pocketbert.errors import UserError
from students.architecture import Proportions
from students.spec import parse_student

SETTING = Setting(length=32)
COSTS = {"call": 0.05, "layer": 0.01, "attention products": 0.004, "feed-forward products": 0.003, "norms": 2.0}


def _timings(count, seed=0, noise=0.0):
    students = list(parse_space((), {}, Proportions(384, 12, 1536), 6, "bert").students())
    chance = random.Random(seed)
    return [
        Timing(
            spec.name,
            sum(COSTS.get(n, 0) * x for n, x in parts(spec, 32).items()) * (1 + chance.uniform(-noise, noise)),
        )
        for spec in chance.sample(students, count)
    ]


def _fitted(**options):
    return LatencyModel.fitted("phone", SETTING, _timings(40), _timings(20, seed=1), {}, **options)


def test_the_parts_of_a_student_by_hand():
    counted = parts(parse_student("layers=2,hidden=8,heads=2,feed_forward=16,family=bert"), 10, batch=3)
    tokens = 30e-6
    assert counted["attention products"] == pytest.approx(tokens * 2 * 4 * 64)
    assert counted["feed-forward products"] == pytest.approx(tokens * 2 * 2 * 8 * 16)
    assert counted["attention matrix"] == pytest.approx(tokens * 10 * 2 * 8)
    assert (counted["call"], counted["layer"]) == (1, 2)


def test_a_bottleneck_pays_for_its_ends_and_its_stack():
    sizes = "layers=2,hidden=32,heads=2,feed_forward=16,family=mobilebert,bottleneck=8,embedding=8,feed_forwards="
    one, four = (parts(parse_student(f"{sizes}{count}"), 10) for count in (1, 4))
    assert four["feed-forward products"] == 4 * one["feed-forward products"]
    assert one["attention products"] > 1e-5 * 2 * 4 * 64


def test_a_device_that_is_such_a_sum_is_found_again():
    model = _fitted()
    assert model.errors.students == 20
    assert model.errors.worst < 1e-6


def test_noise_makes_the_error_not_smaller_than_it_is():
    model = LatencyModel.fitted("phone", SETTING, _timings(40, noise=0.1), _timings(20, 1, noise=0.1), {})
    assert 0.01 < model.errors.median < 0.15
    assert all(cost >= 0 for cost in model.costs["bert"].values())


def test_a_saved_model_predicts_the_same(tmp_path):
    model = _fitted()
    model.save(tmp_path / "phone.json")
    again = LatencyModel.load(tmp_path / "phone.json", SETTING)
    assert again == model
    assert again.predict(parse_student("tiny,family=bert")) == model.predict(parse_student("tiny,family=bert"))


def test_a_family_that_was_never_measured_is_refused():
    with pytest.raises(UserError, match="knows the families bert"):
        _fitted().predict(parse_student("mobilebert"))


def test_too_few_timings_are_refused():
    with pytest.raises(UserError, match="too few"):
        LatencyModel.fitted("phone", SETTING, _timings(5), [], {})


def test_a_model_of_another_setting_or_none_at_all_is_refused(tmp_path):
    file = tmp_path / "phone.json"
    _fitted().save(file)
    with pytest.raises(UserError, match="at length 32, and 64 is asked for"):
        LatencyModel.load(file, Setting(length=64))
    document = json.loads(file.read_text())
    del document["costs"]["bert"]["norms"]
    for text in (json.dumps(document), "{", "[]", json.dumps({"schema": 1}), json.dumps({"schema": 99})):
        file.write_text(text)
        with pytest.raises(UserError):
            LatencyModel.load(file)
    with pytest.raises(UserError, match="can't be read"):
        LatencyModel.load(tmp_path / "none.json")
