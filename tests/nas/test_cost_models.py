import random

import pytest

from nas.cost_models import USUAL, CostModels, fitted
from nas.footprint import Footprint, Setting, export_as_trained
from nas.latency_model import Errors, LatencyModel, parts, products, weights
from nas.spaces import parse_space
from students.building import build_student
from students.spec import parse_student
from tests.nas.studies import TEACHER

SPACE = parse_space((), {}, TEACHER, 6, "bert")
SLOW = {name: cost * (5 if "products" in name else 2) for name, cost in USUAL.items()}


def _footprint(spec, costs=SLOW):
    latency = sum(costs[name] * amount for name, amount in parts(spec, 32).items())
    rows = (spec.vocabulary or 30522) + 512
    size = 0.4 + 1.1 * rows * spec.hidden / 1e6 + 1.05 * products(spec)
    return Footprint(latency, size, 20 + 1.5 * size)


def _error(models, specs, name):
    return max(abs(getattr(models.predict(s), name) / getattr(_footprint(s), name) - 1) for s in specs)


def test_predictions_get_better_with_every_student_measured():
    drawn = random.Random(0).sample(list(SPACE.students()), 70)
    models, errors = CostModels(Setting(), 30522, 512), []
    for count in (3, 10, 40):
        models.learn((spec, _footprint(spec)) for spec in drawn[:count])
        errors.append(_error(models, drawn[40:], "latency_ms"))
    assert errors[2] < errors[1] < errors[0] < 0.2 and errors[2] < 0.01
    assert _error(models, drawn[40:], "size_mb") < 0.03
    assert _error(models, drawn[40:], "memory_mb") < 0.04


def test_nothing_measured_gives_the_usual_costs():
    spec = parse_student("tiny,family=bert", TEACHER)
    expected = sum(USUAL[name] * amount for name, amount in parts(spec, 32).items())
    assert CostModels(Setting(), 30522, 512).predict(spec).latency_ms == pytest.approx(expected)


def test_one_measured_student_scales_all_alike():
    usual = {"a": 1.0, "b": 2.0}
    assert fitted([{"a": 3.0, "b": 1.0}], [50.0], usual) == pytest.approx({"a": 10.0, "b": 20.0})


def test_a_smaller_vocabulary_makes_the_file_smaller_and_the_call_no_faster():
    models = CostModels(Setting(), 30522, 512)
    whole, trimmed = (models.predict(parse_student(f"tiny,family=bert{text}")) for text in ("", ",vocabulary=3000"))
    assert trimmed.size_mb == pytest.approx(whole.size_mb - 27522 * 312 / 1e6)
    assert trimmed.latency_ms == whole.latency_ms


def test_a_device_that_is_not_here_says_the_latency():
    costs = {"bert": dict.fromkeys(USUAL, 0.0) | {"layer": 2.0}}
    device = LatencyModel("phone", 32, 1, 1, costs, Errors(0.0, 0.0, 1), {}, ())
    models = CostModels(Setting(), 30522, 512, device)
    spec = parse_student("tiny,family=bert")
    models.learn([(spec, Footprint(1.0, 10.0))])
    assert models.predict(spec).latency_ms == 8.0


@pytest.mark.parametrize("sharing", ["2", "3", "all"])
def test_what_layers_share_is_in_the_file_once(sharing, bert, tmp_path):
    """Measured: an int8 file is smaller by the weights that its layers share."""
    sizes = {}
    for text in ("1", sharing):
        spec = parse_student(f"layers=4,hidden=96,heads=4,feed_forward=256,family=bert,sharing={text}")
        export_as_trained(build_student(spec, bert()), tmp_path / f"{text}.onnx")
        sizes[text] = (tmp_path / f"{text}.onnx").stat().st_size / 1e6, weights(spec)
    (whole, all_weights), (shared, own) = sizes["1"], sizes[sharing]
    assert all_weights == pytest.approx(4 * (4 * 96 * 96 + 2 * 96 * 256) / 1e6)
    assert whole - shared == pytest.approx(all_weights - own, rel=0.12)  # and by their scales and biases


def test_shared_layers_take_as_long_and_a_narrow_table_is_of_words_alone():
    models = CostModels(Setting(), 30522, 512)
    whole, shared, narrow = (
        models.predict(parse_student(f"tiny,family=bert{text}")) for text in ("", ",sharing=all", ",embedding=64")
    )
    layer = (4 * 312 * 312 + 2 * 312 * 1200) / 1e6
    assert whole.size_mb - shared.size_mb == pytest.approx(3 * layer)
    assert whole.latency_ms == shared.latency_ms
    assert whole.size_mb - narrow.size_mb == pytest.approx((30522 * (312 - 64) - 64 * 312) / 1e6)
