"""Files of 4 bits a weight: what they compute, and how small they are."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from transformers import BertConfig, BertForSequenceClassification

from students.exporting.files import export_fp32, export_int4
from students.exporting.four_bits import Int4
from students.exporting.graph import CONTRIB, IR_VERSION, OPSET, Graph
from students.exporting.running import run_onnx
from tests.students.exporting import family_config, random_model, texts, torch_logits

pytestmark = pytest.mark.usefixtures("no_trace")


def _dense(linear: torch.nn.Linear, x: np.ndarray) -> np.ndarray:
    graph = Graph()
    Int4(graph).dense(linear, "x", "dense")
    info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("x", "dense")]
    made = helper.make_graph(graph._nodes, "g", info[:1], info[1:], graph._constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


def _emulated(linear: torch.nn.Linear, x: np.ndarray) -> np.ndarray:
    """The same product from the operator's description: blocks of 32 inputs, each rounded to int8."""
    from students.block_quantization import dequantized, quantize_matrix  # noqa: PLC0415  (the emulation's alone)

    weight = linear.weight.detach().numpy().T
    rounded = np.zeros_like(x)
    for start in range(0, x.shape[-1], 32):
        part = x[..., start : start + 32]
        step = np.abs(part).max(-1, keepdims=True) / 127
        rounded[..., start : start + 32] = np.rint(part / step) * step
    return rounded @ dequantized(quantize_matrix(weight), len(weight)) + linear.bias.detach().numpy()


@pytest.mark.parametrize(("inputs", "outputs"), [(64, 32), (50, 33), (7, 3)])
def test_a_product_is_what_its_blocks_say(inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(inputs, outputs)
    x = np.random.default_rng(0).normal(size=(2, 5, inputs)).astype(np.float32)
    expected = _emulated(linear, x)
    np.testing.assert_allclose(_dense(linear, x), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert", "albert", "mobilebert", "deberta-v2"])
def test_every_family_answers_nearly_the_same(family: str, tmp_path: Path) -> None:
    model, encodings = random_model(family_config(family)), texts((9, 4, 1))
    export_int4(model, tmp_path / "model.onnx")
    expected = torch_logits(model, encodings)
    error = np.abs(run_onnx(tmp_path / "model.onnx", encodings, threads=1) - expected).max()
    assert 0 < error < 0.4 * np.abs(expected).max()
    graph = onnx.load(tmp_path / "model.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("MatMulNBits") >= 8
    assert kinds.count("GatherBlockQuantized") == 1
    assert not {"DynamicQuantizeMatMul", "BiasGelu"} & set(kinds)


def test_bytes_a_weight_at_a_realistic_shape(tmp_path: Path) -> None:
    sizes = {"hidden_size": 312, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 1200}
    model = BertForSequenceClassification(BertConfig(**sizes, vocab_size=8000, max_position_embeddings=64))
    export_fp32(model, tmp_path / "fp32.onnx")
    export_int4(model, tmp_path / "int4.onnx")
    layers = 2 * (4 * 312 * 312 + 2 * 312 * 1200)
    table, head_and_positions = 8000 * 312, 4 * (312 * 312 + 66 * 312)
    size = (tmp_path / "int4.onnx").stat().st_size - head_and_positions
    assert 8 * size / (layers + table) == pytest.approx(5.15, abs=0.25), "bits a weight"
    assert (tmp_path / "fp32.onnx").stat().st_size > 5.5 * (tmp_path / "int4.onnx").stat().st_size
