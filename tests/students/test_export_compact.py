"""Files that are smaller for what they lose."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from transformers import BertConfig, BertForSequenceClassification

from students.exporting.classes import bytes_by_class
from students.exporting.files import export_fp16, export_fp32, export_int8
from students.exporting.parity import parity
from students.exporting.running import run_onnx
from students.quantization import quantize_blocks
from tests.students.exporting import family_config, random_model, texts, torch_logits

FAMILIES = ("bert", "roberta", "albert", "mobilebert", "deberta-v2")
pytestmark = pytest.mark.usefixtures("no_trace")


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_answers_nearly_the_same_in_half_the_bytes(family: str, tmp_path: Path) -> None:
    model, encodings = random_model(family_config(family)), texts((9, 4, 1))
    export_fp16(model, tmp_path / "fp16.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "fp16.onnx"))
    expected = torch_logits(model, encodings)
    error = parity(expected, run_onnx(tmp_path / "fp16.onnx", encodings, threads=1))["max_logit_difference"]
    assert 0 < error < 5e-3 * np.abs(expected).max()
    stored = onnx.load(tmp_path / "fp16.onnx").graph.initializer
    assert not [x.name for x in stored if x.data_type == onnx.TensorProto.FLOAT and len(x.dims) > 1]
    assert {x.data_type for x in stored if len(x.dims) > 1} >= {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize("family", FAMILIES)
def test_tables_of_four_bits_are_looked_up_as_they_are_quantised(family: str, tmp_path: Path) -> None:
    model, encodings = random_model(family_config(family)), texts((9, 4, 1))
    export_int8(model, tmp_path / "model.onnx", four_bit_tables=True)
    logits = run_onnx(tmp_path / "model.onnx", encodings, threads=1)
    expected = torch_logits(model, encodings)
    assert 0 < parity(expected, logits)["max_logit_difference"] < 0.2 * np.abs(expected).max()
    graph = onnx.load(tmp_path / "model.onnx").graph
    node = next(node for node in graph.node if node.op_type == "GatherBlockQuantized")
    stored = {x.name: onnx.numpy_helper.to_array(x) for x in graph.initializer if x.name in node.input}
    values, scales = quantize_blocks(model.get_input_embeddings().weight.detach().numpy(), 32, 7)
    np.testing.assert_array_equal(stored[node.input[0]].astype(np.int8), values)
    np.testing.assert_array_equal(stored[node.input[2]], scales)


def test_sizes_at_a_realistic_shape(tmp_path: Path) -> None:
    sizes = {"hidden_size": 312, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 1200}
    model = BertForSequenceClassification(BertConfig(**sizes, vocab_size=8000, max_position_embeddings=128))
    export_fp32(model, tmp_path / "fp32.onnx")
    export_fp16(model, tmp_path / "fp16.onnx")
    export_int8(model, tmp_path / "int8.onnx")
    export_int8(model, tmp_path / "int4.onnx", four_bit_tables=True)
    size = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert size["fp16"] < 0.51 * size["fp32"]
    table = 8000 * 312
    assert size["int8"] - size["int4"] == pytest.approx(table / 2 - 8000 * 4 * 9, rel=0.01), "a scale more a block"
    parts = {path.stem: bytes_by_class(onnx.load(path)) for path in tmp_path.iterdir()}
    positions = 128 * 312 * 4 + 2 * 312 * 4
    assert parts["fp32"]["embedding"] == pytest.approx(4 * table + positions, rel=1e-3)
    assert parts["fp16"]["embedding"] == pytest.approx(2 * table + positions / 2, rel=1e-3)
    assert parts["int8"]["embedding"] == pytest.approx(table + 4 * 8000 + positions, rel=1e-3)
    assert parts["int4"]["embedding"] == pytest.approx(table / 2 + 4 * 8000 * 10 + positions, rel=1e-3)
    assert parts["fp32"]["head"] == pytest.approx(4 * (312 * 312 + 312 + 2 * 312 + 2), rel=1e-2)


def test_blocks_by_hand() -> None:
    values, scales = quantize_blocks(np.array([[7.0, -3.5, 0.0, 2.0, 1.0]], np.float32), 2, 7)
    np.testing.assert_allclose(scales, [[1.0, 2 / 7, 1 / 7]], rtol=1e-6)
    assert values.tolist() == [[7, -4, 0, 7, 7]]  # -3.5 rounds to even
    assert values.shape == (1, 5)
