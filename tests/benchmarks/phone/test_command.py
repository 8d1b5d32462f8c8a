"""Bad input of the command: one line, before anything is served."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from benchmarks.phone.__main__ import app, title_of
from benchmarks.phone.addresses import bound
from pocketbert.errors import UserError


@pytest.fixture
def refused(folder, tmp_path):
    """Returns what the command says of words that it refuses."""

    def run(*words, paths=None):
        command = [*map(str, paths or [folder]), "--no-laptop", "--out", str(tmp_path / "out"), *map(str, words)]
        error = CliRunner().invoke(app, command).exception
        assert isinstance(error, UserError), error
        return str(error)

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--adb", "--lan"), "give one of them"),
        (("--serial", "x"), "--serial goes with --adb"),
        (("--host", "1.2.3.4"), "--host with --lan"),
        (("--length", 0), "--length 0"),
        (("--length", 8, "--length", 8), "each number once"),
        (("--length", 70), "reads at most 66 tokens"),
        (("--rounds", 1000), "--rounds up to 200"),
        (("--sustained", 61), "0 to 60"),
        (("--webgpu", "--threads", 2), "runs on the GPU"),
    ],
)
def test_words_that_make_no_sense(refused, words, message):
    words = words if "--length" in words else ("--length", 8, *words)
    assert message in refused(*words)


def test_paths_that_are_no_models(refused, folder, tmp_path):
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    assert "not a model" in refused("--length", 8, paths=[text])
    assert "no such file" in refused(paths=[tmp_path / "none.onnx"])
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no ONNX file" in refused(paths=[empty])
    assert "a folder among other paths" in refused(paths=[folder, text])
    twice = folder / "model-int8.onnx"
    assert "given twice" in refused(paths=[twice, twice])


def _model(path, domain, operator, name):
    value = helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
    out = helper.make_tensor_value_info("logits", TensorProto.INT64, ["batch", "length"])
    graph = helper.make_graph([helper.make_node(operator, [name], ["logits"], domain=domain)], "graph", [value], [out])
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def test_an_operator_that_the_runtime_lacks_is_named(refused, tmp_path):
    assert "Sparkle" in refused(paths=[_model(tmp_path / "a.onnx", "com.nobody", "Sparkle", "input_ids")])


def test_an_input_that_no_text_gives_is_named(refused, tmp_path):
    assert "'pixel_values'" in refused(paths=[_model(tmp_path / "a.onnx", "", "Identity", "pixel_values")])


def test_a_port_in_use(refused):
    with bound("127.0.0.1", 0) as listening:
        assert "can't be used" in refused("--length", 8, "--port", listening.getsockname()[1])


def test_a_folder_that_can_not_be_written(refused):
    assert "--out /dev/null/x can't be written" in refused("--length", 8, "--out", "/dev/null/x")


def test_the_title_is_the_folders_name_wherever_it_lies(folder, monkeypatch):
    assert title_of(folder) == "tiny"
    monkeypatch.chdir(folder)
    assert title_of(Path()) == "tiny"
    assert title_of(Path("/")) == "/"
