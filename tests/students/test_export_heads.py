"""Every head and every form of MobileBERT, against PyTorch."""

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from pocketbert.errors import UserError
from pocketbert.ib_bert import IBBertConfig
from students.exporting.direct import can_write
from students.exporting.files import export_fp32, export_int8
from students.exporting.parts import WRITTEN
from students.exporting.tasks import task_of
from tests.students.exporting import family_config, random_model, texts

FAMILIES = (*WRITTEN, "mobilebert")
HEADS = {
    "classification": AutoModelForSequenceClassification,
    "token-classification": AutoModelForTokenClassification,
    "question-answering": AutoModelForQuestionAnswering,
    "embedding": AutoModel,
}
LENGTHS = (9, 4, 1)


def _batch(lengths: tuple[int, ...], pad: int) -> dict[str, torch.Tensor]:
    rows = texts(lengths)
    longest = max(lengths)
    ids = [row["input_ids"] + [pad] * (longest - len(row["input_ids"])) for row in rows]
    mask = [row["attention_mask"] + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


@torch.inference_mode()
def _expected(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    output = model(**batch)
    if task_of(model).name == "embedding":
        mask = batch["attention_mask"][..., None].float()
        return {"embeddings": ((output.last_hidden_state * mask).sum(1) / mask.sum(1)).numpy()}
    return {name: output[name].numpy() for name in task_of(model).outputs}


def _actual(path: Path, batch: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    known = {name: tensor.numpy() for name, tensor in batch.items()}
    known["token_type_ids"] = np.zeros_like(known["input_ids"])
    values = session.run(None, {x.name: known[x.name] for x in session.get_inputs()})
    return {output.name: value for output, value in zip(session.get_outputs(), values, strict=True)}


def _of_tokens(values: np.ndarray, task_name: str, mask: np.ndarray) -> np.ndarray:
    """What a task says of tokens that are there; of padding any answer may come."""
    return values if task_name in {"classification", "embedding"} else values[mask.astype(bool)]


TRACED = ("classification", "question-answering")
"""Heads of a family that goes through torch's exporter, which takes ten seconds for each."""


@pytest.mark.usefixtures("no_trace")
@pytest.mark.parametrize(("family", "head"), [*product(FAMILIES, HEADS), *product(["deberta-v2"], TRACED)])
def test_every_head_of_every_family_equals_torch(family: str, head: str, tmp_path: Path) -> None:
    config = family_config(family)
    config.num_labels = 2 if head == "question-answering" else 3
    model = random_model(config, HEADS[head])
    assert can_write(model) == (family in FAMILIES)
    assert task_of(model).name == head
    batch = _batch(LENGTHS, config.pad_token_id)
    expected, mask = _expected(model, batch), batch["attention_mask"].numpy()
    for write, limit in ((export_fp32, 2e-5), (export_int8, None)):
        if write is export_int8 and head != "classification" and not can_write(model):
            continue  # traced once more for what the other head has shown
        path = tmp_path / f"{write.__name__}.onnx"
        write(model, path)
        onnx.checker.check_model(onnx.load(path))
        actual = _actual(path, batch)
        assert set(actual) == set(expected)
        for name, values in expected.items():
            ours, theirs = (_of_tokens(each, head, mask) for each in (actual[name], values))
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, atol=limit or 0.08 * np.abs(theirs).max())
            assert limit or not np.allclose(ours, theirs, atol=1e-6)


def test_the_task_is_in_the_file_and_axes_have_names(tmp_path: Path) -> None:
    export_fp32(random_model(family_config("bert"), AutoModelForTokenClassification), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert {x.key: x.value for x in model.metadata_props}["task"] == "token-classification"
    (output,) = model.graph.output
    axes = output.type.tensor_type.shape.dim
    assert [axis.dim_param or axis.dim_value for axis in axes] == ["batch", "sequence", 3]


def test_a_head_that_nobody_exports_is_none_of_them(tmp_path: Path) -> None:
    model = random_model(family_config("bert"), AutoModelForMaskedLM)
    assert task_of(model) is None
    assert not can_write(model)
    for write in (export_fp32, export_int8):
        with pytest.raises(UserError, match="BertForMaskedLM cannot be exported: it needs a head for classes"):
            write(model, tmp_path / "model.onnx")


@pytest.mark.parametrize("normalization", ["no_norm", "layer_norm"])
@pytest.mark.parametrize(
    ("shared", "narrow"), [(True, False), (False, True), (False, False)], ids=["shared", "narrow", "wide"]
)
@pytest.mark.parametrize("activated", [True, False])
def test_every_form_of_mobilebert_equals_torch(
    shared: bool, narrow: bool, normalization: str, activated: bool, tmp_path: Path
) -> None:
    config = family_config("mobilebert")
    if not shared and not narrow:
        config = IBBertConfig(**{**config.to_dict(), "model_type": "ib_bert"})
    config.key_query_shared_bottleneck, config.use_bottleneck_attention = shared, narrow
    config.normalization_type, config.classifier_activation = normalization, activated
    config.num_feedforward_networks = 2
    model = random_model(config)
    batch = _batch((5, 5), 0)
    export_fp32(model, tmp_path / "model.onnx")
    np.testing.assert_allclose(
        _actual(tmp_path / "model.onnx", batch)["logits"], _expected(model, batch)["logits"], atol=2e-5
    )
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("MultiHeadAttention") == 2
    assert kinds.count("LayerNormalization") == (0 if normalization == "no_norm" else kinds.count("LayerNormalization"))
    assert "Pad" in kinds


def test_a_mobilebert_whose_scales_cannot_be_divided_by_keeps_its_norms(tmp_path: Path) -> None:
    model = random_model(family_config("mobilebert"))
    with torch.no_grad():
        model.mobilebert.embeddings.LayerNorm.weight[3] = 0
    batch = _batch((6,), 0)
    export_fp32(model, tmp_path / "model.onnx")
    np.testing.assert_allclose(
        _actual(tmp_path / "model.onnx", batch)["logits"], _expected(model, batch)["logits"], atol=2e-5
    )
    assert any(node.op_type == "Mul" for node in onnx.load(tmp_path / "model.onnx").graph.node)
