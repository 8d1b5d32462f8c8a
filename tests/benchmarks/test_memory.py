import pytest

from benchmarks.memory import peak_memory
from pocketbert.errors import UserError
from students.exporting.files import export_fp32
from tests.students.exporting import family_config, random_model


def test_a_larger_model_takes_more_memory(tmp_path):
    config = family_config("bert")
    export_fp32(random_model(config), tmp_path / "small.onnx")
    config.vocab_size = 400_000
    export_fp32(random_model(config), tmp_path / "large.onnx")
    small, large = (peak_memory(tmp_path / f"{name}.onnx", 8) for name in ("small", "large"))
    table = (tmp_path / "large.onnx").stat().st_size - (tmp_path / "small.onnx").stat().st_size
    assert large - small > table / 2


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match=r"text\.onnx can't be run"):
        peak_memory(tmp_path / "text.onnx", 8)
