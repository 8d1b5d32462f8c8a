"""Int8 files with fixed ranges: what they compute, and that the runtime does so in integers."""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from pocketbert.errors import DoesNotFit, UserError
from students.calibration import Activation, Calibration, trained
from students.exporting.direct import as_written
from students.exporting.files import export_int8, export_static
from students.exporting.forms import FORMS
from students.exporting.graph import CONTRIB, IR_VERSION, OPSET, Graph
from students.exporting.precisions import export
from students.exporting.ranges import calibrate
from students.exporting.running import run_onnx
from students.exporting.static import StaticInt8
from students.factorised import factorise
from students.fake_quantization import (
    Settings,
    attach,
    detach,
    ranges_of,
    read_calibration,
    write_ranges,
)
from students.quantized_parts import encoder_linears
from tests.students.exporting import family_config, random_model, texts, torch_logits

TEXTS = tuple(range(3, 35))
NAME = "bert.encoder.layer.0.output.dense"
pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert", "albert", "mobilebert"])
def test_every_family_answers_nearly_the_same(family, tmp_path):
    model, encodings = random_model(family_config(family)), texts((9, 4, 1))
    export_static(model, tmp_path / "model.onnx", calibration=texts(TEXTS))
    expected = torch_logits(model, encodings)
    error = np.abs(run_onnx(tmp_path / "model.onnx", encodings, threads=1) - expected).max()
    assert 0 < error < 0.15 * np.abs(expected).max()
    export_int8(model, tmp_path / "int8.onnx")
    assert (tmp_path / "model.onnx").stat().st_size < 1.3 * (tmp_path / "int8.onnx").stat().st_size + 20_000


@pytest.mark.parametrize("form", FORMS["int8-static"], ids=lambda form: form.name)
def test_the_runtime_multiplies_integers(form, tmp_path):
    model = random_model(family_config("bert"))
    export_static(model, tmp_path / "model.onnx", calibration=texts(TEXTS), form=form)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(tmp_path / "model.onnx", options)
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["MatMulIntegerToFloat"] == 4 * 2
    assert kinds["QuantizeLinear"] == 4 * 2
    assert not {"DequantizeLinear", "MatMul", "DynamicQuantizeMatMul", "DynamicQuantizeLinear"} & set(kinds)


def test_answers_do_not_depend_on_what_shares_a_batch(tmp_path):
    model, encodings = random_model(family_config("bert")), texts(TEXTS)
    export_static(model, tmp_path / "static.onnx", calibration=encodings)
    export_int8(model, tmp_path / "int8.onnx")
    moved = {}
    for name in ("static", "int8"):
        alone, together = (run_onnx(tmp_path / f"{name}.onnx", encodings, batch_size=size) for size in (1, 32))
        moved[name] = np.abs(alone - together).max()
    assert moved["static"] < 1e-4 < moved["int8"]


def _product(model, calibration, name, x):
    graph = Graph()
    StaticInt8(graph, model, calibration).dense(encoder_linears(model)[name], "x", "dense")
    info = [helper.make_tensor_value_info(each, onnx.TensorProto.FLOAT, None) for each in ("x", "dense")]
    made = helper.make_graph(graph._nodes, "g", info[:1], info[1:], graph._constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    whole = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    return onnxruntime.InferenceSession(whole.SerializeToString()).run(None, {"x": x})[0]


@pytest.mark.parametrize("smooth", [False, True])
def test_a_product_beside_numpy(smooth):
    model, generator = random_model(family_config("bert")), np.random.default_rng(0)
    factors = generator.uniform(0.5, 4, 64).astype(np.float32) if smooth else np.ones(64, np.float32)
    shift = generator.normal(size=32).astype(np.float32)
    grid = Activation(-0.7, 2.0, factors if smooth else None)
    inputs = dict.fromkeys(encoder_linears(model)) | {NAME: grid}
    x = generator.normal(size=(2, 5, 64)).astype(np.float32)
    got = _product(model, Calibration(inputs, 63, shifts={NAME: shift}), NAME, x)
    layer = encoder_linears(model)[NAME]
    weight = layer.weight.detach().numpy().T * factors[:, None]
    step, zero = 2.7 / 255, round(0.7 / 2.7 * 255)
    left = (np.clip(np.rint(x / factors / step) + zero, 0, 255) - zero) * step
    scale = np.abs(weight).max(0) / 63
    expected = left @ (np.rint(weight / scale) * scale) + layer.bias.detach().numpy() + shift
    close = np.abs(got - expected) < 1e-4 * np.abs(expected).max()
    assert close.mean() > 0.98, "a quotient at .5 may round either way"


@pytest.mark.parametrize("per_tensor", [False, True])
@pytest.mark.parametrize("family", ["bert", "electra", "distilbert", "bert with a table in two factors"])
def test_a_trained_models_file_is_what_was_trained(family, per_tensor, tmp_path):
    model = random_model(family_config(family.split()[0]))
    model = factorise(model, 8) if "two factors" in family else model
    attach(model, Settings(per_tensor=per_tensor, embeddings=not per_tensor))
    encodings = texts(TEXTS)
    model.train()
    with torch.no_grad():
        for text in encodings:
            model(**{name: torch.tensor([ids]) for name, ids in text.items()})
    model.eval()
    rounded = torch_logits(model, encodings)
    write_ranges(model, tmp_path / "ranges.json")
    calibration = read_calibration(tmp_path / "ranges.json")
    assert calibration == trained(ranges_of(model), per_tensor=per_tensor)
    export_static(detach(model), tmp_path / "model.onnx", calibration=calibration)
    got, plain = run_onnx(tmp_path / "model.onnx", encodings, batch_size=1), torch_logits(model, encodings)
    if not per_tensor:  # files have a scale a row of the word table
        # A number at half a step may round either way, and moves what reads it.
        assert np.abs(got - rounded).mean() < 0.4 * np.abs(got - plain).mean()
        assert np.abs(got - rounded).max() < 0.01 * np.abs(rounded).max()
    assert np.abs(got - rounded).mean() < np.abs(got - plain).mean()


def test_layers_of_different_widths(tmp_path):
    model = random_model(family_config("bert"))
    first = model.bert.encoder.layer[0]
    torch.manual_seed(0)
    first.intermediate.dense, first.output.dense = torch.nn.Linear(32, 25), torch.nn.Linear(25, 32)
    encodings = texts((9, 4))
    expected = torch_logits(model, encodings)
    for precision in ("int8-static", "int4"):
        export(model, tmp_path / "model.onnx", precision, calibration=texts(TEXTS))
        error = np.abs(run_onnx(tmp_path / "model.onnx", encodings) - expected).max()
        assert 0 < error < 0.3 * np.abs(expected).max()


def test_layers_of_one_input_may_have_ranges_of_their_own(tmp_path):
    model, encodings = random_model(family_config("bert")), texts((9, 4))
    ranges = trained(ranges_of(_followed(model)))
    first = "bert.encoder.layer.0.attention.self"
    ranges.inputs[f"{first}.query"] = Activation(-9.0, 9.0)
    expected = torch_logits(detach(model), encodings)
    for form in (each for each in FORMS["int8-static"] if not each.skips):
        export_static(model, tmp_path / "model.onnx", calibration=ranges, form=form)
        error = np.abs(run_onnx(tmp_path / "model.onnx", encodings) - expected).max()
        assert 0 < error < 0.15 * np.abs(expected).max()


def _followed(model):
    attach(model).train()
    with torch.no_grad():
        for text in texts(TEXTS):
            model(**{name: torch.tensor([ids]) for name, ids in text.items()})
    return model.eval()


def test_dynamic_layers_stand_beside_static_ones(tmp_path):
    model = random_model(family_config("bert"))
    ranges = calibrate(as_written(model), texts(TEXTS))
    ranges.inputs[NAME] = None
    export_static(model, tmp_path / "model.onnx", calibration=ranges)
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node)
    assert (kinds["DynamicQuantizeMatMul"], kinds["MatMulIntegerToFloat"]) == (1, 7)


def test_what_can_not_be_is_refused(tmp_path: Path):
    write = partial(export_static, random_model(family_config("bert")), tmp_path / "model.onnx")
    with pytest.raises(UserError, match="give texts to calibrate with"):
        write()
    with pytest.raises(UserError, match="3 texts are too few"):
        write(calibration=texts((9, 4, 1)))
    with pytest.raises(DoesNotFit, match=r"ranges are of another model: bert\.encoder"):
        write(calibration=trained({}))
    with pytest.raises(UserError, match=r"DebertaV2.* has no int8-static: take int8"):
        export_static(random_model(family_config("deberta-v2")), tmp_path / "x.onnx", calibration=texts(TEXTS))
    mobile = random_model(family_config("mobilebert"))
    with pytest.raises(DoesNotFit, match="NoNorms are folded"):
        export_static(mobile, tmp_path / "x.onnx", calibration=trained(dict.fromkeys(encoder_linears(mobile), 1.0)))
    with pytest.raises(UserError, match="unknown calibration method 'smoth': did you mean smooth"):
        calibrate(mobile, texts(TEXTS), "smoth")
    with pytest.raises(UserError, match="unknown precision 'int9'"):
        export(random_model(family_config("bert")), tmp_path / "model.onnx", "int9")
    assert not list(tmp_path.iterdir())
