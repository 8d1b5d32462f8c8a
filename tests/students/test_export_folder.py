"""The folder as a whole: what is refused before anything is written, and what an earlier export leaves behind."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoModelForTokenClassification

from pocketbert.errors import UserError
from pocketbert.files import sha256
from students.exporting import deployment, proof
from students.exporting.deployment import deploy
from students.exporting.files import export_fp16, export_fp32
from students.exporting.golden import Checked, Golden
from students.exporting.minimal import write_ort
from students.exporting.proof import worst_difference
from students.exporting.readme import Deployed, example_file
from students.exporting.source import source_of
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces

TEXTS = ("good film", "a film was late")
WORDS = ("a", "film", "was", "good", "late")


def _model(labels=3, head=None):
    config = family_config("bert")
    config.num_labels = labels
    return random_model(config, *([] if head is None else [head]))


def _deploy(out, model, *precisions, **options):
    return deploy(model, wordpieces(WORDS), out, TEXTS, precisions, **({"least_agreement": 0.0} | options))


def _names(out):
    return {path.name for path in out.glob("model-*")}


def test_a_regression_that_is_far_off_is_refused_and_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("students.exporting.files.REDUCED_RANGE", 1)
    model = _model(labels=1)
    with pytest.raises(UserError, match=r"model-int8.onnx differs by .*--max-difference 0.01 of the largest answer"):
        _deploy(tmp_path, model, "fp32", "int8", most_difference=0.01)
    assert _names(tmp_path) == {"model-fp32.onnx"}
    assert set(Golden.read(tmp_path / "golden.json").made) == {"model-fp32.onnx"}
    assert len(_deploy(tmp_path, model, "fp32", "int8", most_difference=1e3)) == 2


def test_files_of_an_earlier_export_do_not_stay_beside_new_sentences(tmp_path):
    _deploy(tmp_path, _model(), "fp32", "int8")
    (tmp_path / "with-tokenizer").mkdir()
    for name in ("model-mine.onnx", "model-int8.ort", "with-tokenizer/model-int8.onnx"):
        (tmp_path / name).write_bytes(b"other")
    told = []
    _deploy(tmp_path, _model(), "int8", tell=told.append)
    assert _names(tmp_path) == {"model-int8.onnx", "model-mine.onnx"}
    assert not (tmp_path / "with-tokenizer").exists()
    assert told == [
        "removed, as files of an earlier export: model-fp32.onnx, model-int8.ort, with-tokenizer/model-int8.onnx"
    ]
    assert set(Golden.read(tmp_path / "golden.json").made) == {"model-int8.onnx"}


def test_a_folder_that_is_half_made_has_no_golden_sentences(tmp_path, monkeypatch):
    _deploy(tmp_path, _model(), "fp32", "int8")

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setitem(deployment.PRECISIONS, "int8", killed)
    with pytest.raises(KeyboardInterrupt):
        _deploy(tmp_path, _model(), "fp32", "int8")
    assert not (tmp_path / "golden.json").exists()


@pytest.mark.parametrize("head", [None, AutoModelForTokenClassification])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_before_anything_is_written(tmp_path, number, head):
    model = _model(head=head)
    with torch.no_grad():
        model.classifier.weight[0, 0] = number
    with pytest.raises(UserError, match=r"classifier\.weight of the Bert.* NaN or infinite"):
        _deploy(tmp_path, model, "fp32", "int8")
    assert not list(tmp_path.iterdir())


def test_numbers_beyond_half_precision_are_refused_before_anything_is_written(tmp_path):
    model = _model()
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.weight[0, 0] = 1e5
    with pytest.raises(UserError, match=r"layer\.0\.output.* 1e\+05, and half precision ends at 65504"):
        _deploy(tmp_path, model, "fp32", "fp16")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="half precision ends"):
        export_fp16(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(tmp_path):
    tokenizer = wordpieces([f"word{number}" for number in range(200)])
    with pytest.raises(UserError, match=r"tokenizer has ids up to \d+, and the Bert.* has embeddings for 120"):
        deploy(_model(), tokenizer, tmp_path, TEXTS, ("fp32",), least_agreement=0.0)
    assert not list(tmp_path.iterdir())


def test_shapes_are_proven_with_types_and_nan_is_a_difference(tmp_path, monkeypatch):
    model, path = _model(), tmp_path / "model.onnx"
    export_fp32(model, path)
    assert worst_difference(model, path) < 1e-4
    monkeypatch.setattr(proof, "torch_answers", lambda *_: {"logits": np.full((3, 3), np.nan, np.float32)})
    monkeypatch.setattr(proof, "SHAPES", ((3, 9),))
    assert np.isnan(worst_difference(model, path))
    monkeypatch.undo()
    graph = onnx.load(path)
    (rows,) = [each for each in graph.graph.initializer if each.name == "type.weight"]
    values = onnx.numpy_helper.to_array(rows).copy()
    values[1] += np.linspace(-1, 1, values.shape[1])
    rows.CopyFrom(onnx.numpy_helper.from_array(values, rows.name))
    onnx.save(graph, path)
    assert worst_difference(model, path) > proof.LIMIT, "the second row of types is used"


def test_shapes_are_proven_though_float32_is_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(proof, "worst_difference", lambda *_: 0.5)
    with pytest.raises(UserError, match=r"float32 differs from PyTorch by 0\.5"):
        _deploy(tmp_path, _model(), "int8")
    monkeypatch.setattr(deployment, "can_write", lambda _: False)
    told = []
    _deploy(tmp_path, _model(), "int8", tell=told.append)
    assert told[0].startswith("shapes with padding were not proven")


def test_the_example_loads_int8_or_the_nearest_file():
    def file(name, agreement, difference=0.0):
        return Deployed(f"model-{name}.onnx", 1.0, Checked(8, 0.1, difference, agreement))

    four, half, whole = file("int8-tables4", 0.8), file("fp16", 0.9), file("int8", 0.7)
    assert example_file([whole, half, four]) == "model-int8.onnx"
    assert example_file([four, half]) == "model-fp16.onnx"
    assert example_file([file("int8-full", None, 0.2), file("fp32", None, 0.1)]) == "model-fp32.onnx"


@pytest.mark.filterwarnings("default")  # onnxruntime's tools leave files open
def test_an_ort_file_keeps_half_precision(tmp_path: Path):
    export_fp16(_model(), tmp_path / "model-fp16.onnx")
    export_fp32(_model(), tmp_path / "model-fp32.onnx")
    half, whole, _ = write_ort([tmp_path / "model-fp16.onnx", tmp_path / "model-fp32.onnx"])
    saved = (tmp_path / "model-fp32.onnx").stat().st_size - (tmp_path / "model-fp16.onnx").stat().st_size
    assert whole.stat().st_size - half.stat().st_size > 0.5 * saved


def test_a_files_source_is_what_sha256sum_says(tmp_path):
    student = tmp_path / "run" / "student"
    _model().save_pretrained(student)
    lines = "".join(f"{sha256(student / name)}  {name}\n" for name in ("config.json", "model.safetensors"))
    (tmp_path / "lines").write_text(lines)
    assert source_of(student) == {"source": sha256(tmp_path / "lines")}
    (tmp_path / "run" / "run.json").write_text(
        '{"config": {"teachers": ["/home/me/my-teacher", "minilm"]}, "recipe": {"name": "logits"}, '
        '"data": {"fingerprint": "abc"}}'
    )
    found = source_of(student)
    assert (found["teacher"], found["recipe"], found["data"]) == ("my-teacher + minilm", "logits", "abc")
