import pytest
import torch

from benchmarks.measuring import _Cell
from nas.footprint import Reference, Setting, export_as_trained, measured_footprint
from students.exporting.files import export_int8
from tests.conftest import tiny_bert

SETTING = Setting(length=8, rounds=2)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "reference.onnx"
    export_int8(tiny_bert(), path)
    return Reference.measured(path, SETTING)


def test_a_deeper_and_wider_student_costs_more(reference, bert):
    small = measured_footprint(bert(layers=1, hidden=32), reference, SETTING, memory=True)
    large = measured_footprint(bert(layers=8, hidden=256), reference, SETTING)
    assert large.latency_ms > 2 * small.latency_ms
    assert large.size_mb > 2 * small.size_mb
    assert small.memory_mb > 0
    assert large.memory_mb is None


def test_a_device_that_is_not_here_is_asked_instead(reference, bert):
    model = bert(layers=1)
    footprint = measured_footprint(model, reference, SETTING, predicted_ms=lambda: 12.5)
    assert footprint.latency_ms == 12.5
    assert footprint.size_mb == pytest.approx(measured_footprint(model, reference, SETTING).size_mb)


def test_other_work_between_the_calls_changes_no_ratio(reference, monkeypatch):
    real, calls = _Cell.sample, iter(range(10**9))

    def disturbed(cell):
        seconds = real(cell)
        return seconds * 4 if cell.name != "reference" and next(calls) % 3 else seconds  # two of three samples

    monkeypatch.setattr(_Cell, "sample", disturbed)
    (milliseconds,) = reference.scaled([reference.path], SETTING, 6)
    assert milliseconds == pytest.approx(reference.latency_ms, rel=0.6), "the same file, though its median is fourfold"


def test_an_untrained_student_is_as_large_as_the_trained_one_and_keeps_its_weights(bert, tmp_path):
    model = bert(layers=2, hidden=32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    export_as_trained(model, tmp_path / "untrained.onnx")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape))
    export_int8(model, tmp_path / "trained.onnx")
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("untrained", "trained")]
    assert sizes[0] == pytest.approx(sizes[1], abs=64)
