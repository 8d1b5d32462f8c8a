import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from pocketbert import __version__
from pocketbert.errors import UserError
from students.anatomy import anatomy
from students.exporting import graph
from students.exporting.fallback import quantize_graph
from students.exporting.files import export_fp32, export_int8
from students.exporting.parity import parity
from students.exporting.parts import WRITTEN
from students.exporting.running import run_onnx
from tests.students.exporting import SHARED, family_config, random_model, texts, torch_logits

FALLBACKS = ("deberta-v2",)
DIRECT = (*WRITTEN, "mobilebert")


@pytest.mark.parametrize("family", DIRECT)
def test_float32_equals_torch_at_every_shape(family: str, tmp_path: Path) -> None:
    model = random_model(family_config(family))
    export_fp32(model, tmp_path / "model.onnx")
    for lengths in ((1,), (7,), (16, 5, 1), (64, 64)):
        encodings = texts(lengths, types=family in {"bert", "electra", "albert", "mobilebert"})
        logits = run_onnx(tmp_path / "model.onnx", encodings, threads=1)
        assert logits.shape == (len(lengths), 3)
        np.testing.assert_allclose(logits, torch_logits(model, encodings), atol=1e-5)


@pytest.mark.parametrize("family", DIRECT)
def test_int8_is_close_and_its_error_is_not_zero(family: str, tmp_path: Path) -> None:
    model = random_model(family_config(family))
    export_int8(model, tmp_path / "model.onnx")
    encodings = texts((16, 9, 1, 30))
    expected = torch_logits(model, encodings)
    result = parity(expected, run_onnx(tmp_path / "model.onnx", encodings, threads=1))
    assert 0 < result["max_logit_difference"] < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("family", DIRECT)
def test_padding_of_any_amount_changes_no_float32_logit(family: str, tmp_path: Path) -> None:
    model = random_model(family_config(family))
    export_fp32(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    pad = model.config.pad_token_id
    (text,) = texts((9,))
    alone = {"input_ids": [text["input_ids"]], "attention_mask": [[1] * 9], "token_type_ids": [[0] * 9]}
    filling = {"input_ids": pad, "attention_mask": 0, "token_type_ids": 0}
    longer = {name: [[*rows[0], *[filling[name]] * 20]] for name, rows in alone.items()}
    feeds = [{name: np.asarray(rows[name]) for name in names} for rows in (alone, longer)]
    first, second = (session.run(["logits"], feed)[0] for feed in feeds)
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_roberta_counts_positions_from_the_ids(tmp_path: Path) -> None:
    """Padding on the left moves nothing either: positions are counted, not read off the columns."""
    model = random_model(family_config("roberta"))
    export_fp32(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    ids, mask = np.array([[7, 1, 1, 8, 9, 10]]), np.array([[1, 0, 0, 1, 1, 1]])
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).logits.numpy()
    actual = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.usefixtures("no_trace")
@pytest.mark.parametrize("family", FALLBACKS)
def test_other_families_go_through_torch(family: str, tmp_path: Path) -> None:
    config = family_config(family)
    config.num_hidden_layers = 1
    model = random_model(config).train()
    export_fp32(model, tmp_path / "model.onnx")
    assert model.training
    encodings = texts((1, 7, 16, 3, 64))
    expected = torch_logits(model.eval(), encodings)
    np.testing.assert_allclose(run_onnx(tmp_path / "model.onnx", encodings, threads=1), expected, atol=1e-5)
    graph.write_model(quantize_graph(onnx.load(tmp_path / "model.onnx")), tmp_path / "int8.onnx", {})
    error = parity(expected, run_onnx(tmp_path / "int8.onnx", encodings, threads=1))["max_logit_difference"]
    assert 0 < error < 0.05 * np.abs(expected).max()
    assert (tmp_path / "int8.onnx").stat().st_size < (tmp_path / "model.onnx").stat().st_size


def test_int8_shares_what_layers_share(tmp_path: Path) -> None:
    """Albert uses one layer's weights twice: they are stored once."""
    export_int8(random_model(family_config("albert")), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    products = [node.input[1] for node in model.graph.node if node.op_type == "DynamicQuantizeMatMul"]
    assert len(products) == 1 + 2 * 4
    assert len(set(products)) == 1 + 4
    assert {x.key: x.value for x in model.metadata_props}["precision"] == "int8"


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu", "silu", "tanh"])
@pytest.mark.parametrize("write", [export_fp32, export_int8])
def test_every_activation_is_written(activation: str, write: object, tmp_path: Path) -> None:
    model = random_model(BertConfig(**SHARED, hidden_act=activation))
    write(model, tmp_path / "model.onnx")
    encodings = texts((12, 3))
    expected = torch_logits(model, encodings)
    # FastGelu's kernel on the CPU takes a short cut in tanh.
    limit = 1e-4 if write is export_fp32 else 0.05 * np.abs(expected).max()
    assert parity(expected, run_onnx(tmp_path / "model.onnx", encodings, threads=1))["max_logit_difference"] < limit


def test_layers_of_different_widths_are_written_as_they_are(tmp_path: Path) -> None:
    """A pruned layer has fewer heads and a narrower feed-forward than the configuration says."""
    model = random_model(family_config("bert"))
    wide, inner = torch.nn.Linear(32, 16), torch.nn.Linear(32, 24)
    attention = model.bert.encoder.layer[0].attention
    attention.self.query, attention.self.key, attention.self.value = (
        wide,
        torch.nn.Linear(32, 16),
        torch.nn.Linear(32, 16),
    )
    attention.self.num_attention_heads, attention.self.all_head_size = 2, 16
    attention.output.dense = torch.nn.Linear(16, 32)
    model.bert.encoder.layer[0].intermediate.dense = inner
    model.bert.encoder.layer[0].output.dense = torch.nn.Linear(24, 32)
    assert anatomy(model).layers[0].heads == 2
    encodings = texts((11, 4))
    for write, limit in ((export_fp32, 1e-5), (export_int8, 0.1)):
        write(model, tmp_path / "model.onnx")
        logits = run_onnx(tmp_path / "model.onnx", encodings, threads=1)
        np.testing.assert_allclose(logits, torch_logits(model, encodings), atol=limit)


def test_int8_file_is_at_most_30_percent_at_a_realistic_shape(tmp_path: Path) -> None:
    sizes = {"hidden_size": 312, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 1200}
    model = BertForSequenceClassification(BertConfig(**sizes, vocab_size=8000, max_position_embeddings=128))
    export_fp32(model, tmp_path / "fp32.onnx")
    export_int8(model, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size <= 0.30 * (tmp_path / "fp32.onnx").stat().st_size


@pytest.mark.parametrize(("full_range", "largest"), [(False, 63), (True, 127)])
def test_weights_of_products_have_seven_bits_unless_asked(tmp_path: Path, full_range: bool, largest: int) -> None:
    export_int8(random_model(family_config("bert")), tmp_path / "model.onnx", full_range=full_range)
    constants = onnx.load(tmp_path / "model.onnx").graph.initializer
    weights = {x.name: onnx.numpy_helper.to_array(x) for x in constants if x.name.endswith("weight_int8")}
    assert np.abs(weights["layer.0.feed_forward_in.dense.weight_int8"]).max() == largest
    assert np.abs(weights["word.weight_int8"]).max() == 127


def test_no_slow_fused_normalisation_and_final_form(tmp_path: Path) -> None:
    export_int8(random_model(family_config("bert")), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("DynamicQuantizeMatMul") == 2 * 4
    assert kinds.count("MultiHeadAttention") == 2
    assert kinds.count("LayerNormalization") == 2 * 2 + 1
    assert not {"SkipLayerNormalization", "EmbedLayerNormalization"} & set(kinds)


def test_axes_versions_and_metadata(tmp_path: Path) -> None:
    config = family_config("bert")
    config.id2label = {0: "no", 1: "maybe", 2: "yés"}
    export_fp32(random_model(config), tmp_path / "model.onnx", {"recipe": "logits", "source": {"teacher": "x"}})
    model = onnx.load(tmp_path / "model.onnx")
    assert (model.ir_version, model.producer_name, model.producer_version) == (10, "pocketbert", __version__)
    assert {x.domain: x.version for x in model.opset_import} == {"": 18, "com.microsoft": 1}
    axes = [[axis.dim_param for axis in x.type.tensor_type.shape.dim] for x in model.graph.input]
    assert axes == [["batch", "sequence"]] * 3
    assert [x.name for x in model.graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
    metadata = {x.key: x.value for x in model.metadata_props}
    assert json.loads(metadata["labels"]) == ["no", "maybe", "yés"]
    assert json.loads(metadata["source"]) == {"teacher": "x"}
    assert metadata["recipe"] == "logits"
    assert (metadata["precision"], metadata["vocabulary_size"], metadata["max_length"]) == ("float32", "120", "66")


@pytest.mark.parametrize(("family", "longest"), [("bert", 66), ("roberta", 64), ("distilbert", 66)])
def test_the_longest_text_works_and_a_longer_one_is_refused(family: str, longest: int, tmp_path: Path) -> None:
    model = random_model(family_config(family))
    export_fp32(model, tmp_path / "model.onnx")
    encodings = texts((longest, 2))
    logits = run_onnx(tmp_path / "model.onnx", encodings, threads=1)
    np.testing.assert_allclose(logits, torch_logits(model, encodings), atol=1e-5)
    with pytest.raises(UserError, match=f"at most {longest} tokens, and a text has {longest + 1}"):
        run_onnx(tmp_path / "model.onnx", texts((longest + 1,)), threads=1)


def test_a_file_beyond_the_limit_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "LARGEST_FILE", 10_000)
    with pytest.raises(UserError, match="one file can hold"):
        export_fp32(random_model(family_config("bert")), tmp_path / "model.onnx")
    with pytest.raises(UserError, match="one file can hold"):
        export_fp32(random_model(family_config("deberta-v2")), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")

    def fail(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        export_fp32(random_model(family_config("bert")), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_half_precision_weights_are_written_as_float32(tmp_path: Path) -> None:
    model = random_model(family_config("bert")).to(torch.bfloat16)
    export_fp32(model, tmp_path / "model.onnx")
    encodings = texts((8,))
    logits = run_onnx(tmp_path / "model.onnx", encodings, threads=1)
    np.testing.assert_allclose(logits, torch_logits(model.float(), encodings), atol=1e-5)


def test_parity_by_hand() -> None:
    reference, other = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[1.5, 0.0], [1.0, 0.5]])
    assert parity(reference, other) == {
        "max_logit_difference": 1.5,
        "mean_logit_difference": 0.75,
        "agreement": 0.5,
    }


def test_parity_of_a_regression_has_no_agreement() -> None:
    assert parity(np.zeros((2, 1)), np.ones((2, 1)))["agreement"] is None


@pytest.mark.parametrize("other", [np.zeros((3, 2)), np.zeros((2, 3)), np.zeros(4)])
def test_parity_refuses_other_shapes(other: np.ndarray) -> None:
    with pytest.raises(UserError, match="cannot be compared"):
        parity(np.zeros((2, 2)), other)
