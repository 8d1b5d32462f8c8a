"""The whole command, on models of every head."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tokenizers
import torch
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from pocketbert import command
from students import export
from students.exporting.forms import FORMS
from students.exporting.golden import Golden, check
from students.exporting.running import run_each
from students.fake_quantization import attach, write_ranges
from tests.running import run_here
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces

pytestmark = pytest.mark.usefixtures("no_trace")
WORDS = ["the", "film", "was", "good", "late", "trains"]
HEADS = {
    "token-classification": AutoModelForTokenClassification,
    "question-answering": AutoModelForQuestionAnswering,
    "embedding": AutoModel,
}


def _folder(place: Path, family: str = "bert", head: type | None = None) -> Path:
    config = family_config(family)
    config.num_labels = 2 if head is AutoModelForQuestionAnswering else 3
    model = random_model(config, *([] if head is None else [head]))
    model.save_pretrained(place)
    wordpieces(WORDS).save_pretrained(place)
    return place


def _export(*words: object):
    return run_here(export, lambda: command.run(export.app, "python -m students.export"), *map(str, words))


def _refused(result, said: str) -> None:
    assert result.returncode == 2, result.stdout
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_folder_has_all_that_a_device_needs(tmp_path: Path) -> None:
    result = _export(_folder(tmp_path / "model"), "--min-agreement", 0)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "model" / "onnx"
    assert {path.name for path in out.iterdir()} == {
        "model-fp32.onnx", "model-int8.onnx", "tokenizer.json", "labels.json", "golden.json", "README.md",
    }  # fmt: skip
    assert json.loads((out / "labels.json").read_text()) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    golden = Golden.read(out / "golden.json")
    assert check(golden, out / "model-fp32.onnx").relative_difference < 1e-4
    tokenizer = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    short = [number for number, text in enumerate(golden.texts) if len(text) < 30]
    assert all(tokenizer.encode(golden.texts[n]).ids == golden.encodings[n]["input_ids"] for n in short)
    assert "model-int8.onnx" in result.stdout and str(out) in result.stdout
    metadata = onnxruntime.InferenceSession(out / "model-int8.onnx").get_modelmeta().custom_metadata_map
    assert metadata["task"] == "classification" and len(metadata["source"]) == 64
    assert 'InferenceSession("model-int8.onnx")' in (out / "README.md").read_text()


@pytest.mark.parametrize(("family", "head"), [("bert", None), ("distilbert", "token-classification"),
                                              ("roberta", "question-answering"), ("electra", "embedding")])  # fmt: skip
def test_the_lines_of_its_readme_run_without_torch(tmp_path: Path, family: str, head: str | None) -> None:
    folder = _folder(tmp_path / "model", family, HEADS.get(head or ""))
    assert _export(folder, "--out", tmp_path / "out", "--min-agreement", 0).returncode == 0
    page = (tmp_path / "out" / "README.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    lines = f"import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path / "out", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_runs_folder_stands_for_its_student(tmp_path: Path) -> None:
    _folder(tmp_path / "run" / "student")
    (tmp_path / "run" / "config.json").write_text("{}")
    assert _export(tmp_path / "run", "--precision", "fp32").returncode == 0
    assert (tmp_path / "run" / "student" / "onnx" / "model-fp32.onnx").is_file()
    assert not (tmp_path / "run" / "student" / "onnx" / "model-int8.onnx").exists()


def test_golden_sentences_may_be_ones_own(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("the film was good\n\n  trains  \n")
    folder = _folder(tmp_path / "model")
    assert _export(folder, "--texts", texts, "--precision", "fp32").returncode == 0
    assert Golden.read(folder / "onnx" / "golden.json").texts == ["the film was good", "trains"]


def test_a_text_longer_than_the_model_reads_is_cut(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("good " * 300)
    folder = _folder(tmp_path / "model", "roberta")
    assert _export(folder, "--texts", texts, "--precision", "fp32").returncode == 0
    (encoding,) = Golden.read(folder / "onnx" / "golden.json").encodings
    assert len(encoding["input_ids"]) == 64


def test_a_language_models_encoder_gives_embeddings_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", head=AutoModelForMaskedLM)
    _refused(_export(folder), "was saved as BertForMaskedLM, whose head is not exported: --task embedding")
    assert _export(folder, "--task", "embedding", "--min-agreement", 0.5).returncode == 0
    session = onnxruntime.InferenceSession(folder / "onnx" / "model-fp32.onnx")
    feed = {x.name: np.ones((2, 5), np.int64) for x in session.get_inputs()} | {"token_type_ids": np.zeros((2, 5), int)}
    assert session.run(["embeddings"], feed)[0].shape == (2, 32)


def test_a_file_that_does_not_agree_is_refused_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("students.exporting.files.REDUCED_RANGE", 1)
    folder = _folder(tmp_path / "model", head=AutoModelForTokenClassification)
    result = _export(folder, "--min-agreement", 1)
    _refused(result, "refused and removed: model-int8.onnx (0.")
    assert (folder / "onnx" / "model-fp32.onnx").is_file()
    assert not (folder / "onnx" / "model-int8.onnx").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--precision", "int9"], "unknown precision 'int9': did you mean int8 or int4?"),
        (["--task", "clasification"], "unknown task 'clasification': did you mean classification"),
        (["--max-difference", "0"], "--max-difference 0.0: it must be a number above 0."),
        (["--min-agreement", "2"], "--min-agreement 2.0: it must be from 0 to 1."),
        (["--texts", "nowhere.txt"], "--texts nowhere.txt can't be read"),
        (["--task", "token-classification"], "and has no trained head for token-classification"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, options: list[str], said: str) -> None:
    folder = _folder(tmp_path / "model", head=AutoModel)
    _refused(_export(folder, *options), said)
    assert not (folder / "onnx").exists()


def test_another_tasks_head_is_not_taken_for_the_one_asked_for(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model")
    said = "was saved as BertForSequenceClassification, and has no trained head for token-classification"
    _refused(_export(folder, "--task", "token-classification"), said)


def test_a_folder_that_names_no_class_needs_a_task(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (folder / "config.json").write_text(json.dumps(config))
    _refused(_export(folder), "names no class (architectures): say with --task")
    assert _export(folder, "--task", "classification", "--precision", "fp32").returncode == 0


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model")
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "out"):
        _refused(_export(folder, "--out", place), f"{tmp_path / 'file'} is a file; give a folder.")


def test_what_reads_few_tokens_is_tuned_with_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LENGTHS", (4, 128))
    monkeypatch.setattr(export, "ROUNDS", 1)
    result = _export(_folder(tmp_path / "model"), "--min-agreement", 0, "--tune", "--precision", "int8")
    assert result.returncode == 0, result.stderr


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    _refused(_export(tmp_path / "nowhere"), "no such folder")
    _refused(_export(tmp_path), "has no config.json")
    folder = _folder(tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    _refused(_export(folder), "only pickled weights")


def _form(path: Path) -> str | None:
    return onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map.get("form")


def test_the_fastest_graph_here_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "LENGTHS", (4,))
    monkeypatch.setattr(export, "ROUNDS", 1)
    result = _export(_folder(tmp_path / "model"), "--min-agreement", 0, "--tune", "--precision", "int8")
    assert result.returncode == 0, result.stderr
    assert sum(line.rstrip(" │").endswith("kept") for line in result.stdout.splitlines()) == 1
    out = tmp_path / "model" / "onnx"
    assert _form(out / "model-int8.onnx") in {form.name for form in FORMS["int8"]}
    assert not (out / "forms").exists()


def test_every_form_goes_to_a_device_and_what_it_says_decides(tmp_path: Path) -> None:
    folder, out = _folder(tmp_path / "model"), tmp_path / "out"
    assert _export(folder, "--out", out, "--every-form", "--precision", "int8").returncode == 0
    files = sorted((out / "forms").glob("*.onnx"))
    assert len(files) == len(FORMS["int8"]) and not (out / "model-int8.onnx").exists()
    golden = Golden.read(out / "forms" / "golden.json")
    assert all(check(golden, path).relative_difference < 0.3 for path in files)
    rows = [
        {"name": path.name, "length": 8, "threads": 1, "p50_ms": 1.0 + ("integer-skip" not in path.name)}
        for path in files
    ]
    (tmp_path / "phone.json").write_text(json.dumps({"rows": rows}))
    words = ("--out", out, "--measured", tmp_path / "phone.json", "--min-agreement", 0, "--precision", "int8")
    assert _export(folder, *words).returncode == 0
    assert _form(out / "model-int8.onnx") == "integer-skip"


def test_the_sentences_of_a_run_are_asked_again(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model")
    assert _export(folder, "--out", folder, "--min-agreement", 0, "--texts", _texts(tmp_path)).returncode == 0
    assert _export(folder, "--out", tmp_path / "again", "--min-agreement", 0).returncode == 0
    assert Golden.read(tmp_path / "again" / "golden.json").texts == ["the film", "was good"]


def _texts(place: Path) -> Path:
    (place / "texts").write_text("the film\nwas good\n")
    return place / "texts"


def test_forms_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    _refused(_export(_folder(tmp_path / "model"), "--tune", "--every-form"), "give one of them")
    folder = _folder(tmp_path / "other", "deberta-v2")
    _refused(_export(folder, "--every-form"), "goes through torch's exporter, and has one form")
    _refused(_export(folder, "--measured", tmp_path / "none.json"), "has one form")


@pytest.mark.filterwarnings("default")  # onnxruntime's tools leave files open
def test_an_ort_file_answers_as_the_onnx_file_does(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = _export(_folder(tmp_path / "model"), "--out", out, "--min-agreement", 0, "--ort")
    assert result.returncode == 0, result.stderr
    golden = Golden.read(out / "golden.json")
    for precision in ("fp32", "int8"):
        answers = [run_each(out / f"model-{precision}.{kind}", golden.encodings) for kind in ("onnx", "ort")]
        np.testing.assert_allclose(*(np.stack([each["logits"] for each in found]) for found in answers), atol=1e-5)
    operators = (out / "required_operators.config").read_text()
    assert "DynamicQuantizeMatMul" in operators and str(tmp_path) not in operators


def test_int8_with_fixed_ranges_from_texts_or_a_training(tmp_path: Path) -> None:
    place = _folder(tmp_path / "model")
    few, enough = tmp_path / "few.txt", tmp_path / "enough.txt"
    few.write_text("the film\n")
    enough.write_text("\n".join(" ".join(WORDS[: n % 6 + 1]) for n in range(40)))
    options = ("--precision", "int8-static", "--precision", "int4", "--min-agreement", 0)
    _refused(_export(place, *options), "int8-static has fixed ranges: give --calibration FILE")
    _refused(_export(place, *options, "--calibration", tmp_path / "none.txt"), "--calibration")
    _refused(_export(place, *options, "--calibration", few), "1 texts are too few to calibrate with")
    _refused(_export(place, *options, "--ranges", tmp_path / "none.json"), "can't be read")
    assert not (place / "onnx").exists()
    result = _export(place, *options, "--calibration", enough, "--tune")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (place / "onnx").glob("*.onnx")} == {"model-int8-static.onnx", "model-int4.onnx"}
    made = Golden.read(place / "onnx" / "golden.json").made
    assert set(made) == {"model-int8-static.onnx", "model-int4.onnx"}
    model = attach(AutoModelForSequenceClassification.from_pretrained(place))
    model.train()
    model(**{name: torch.tensor([ids]) for name, ids in wordpieces(WORDS)("the film was late").items()})
    write_ranges(model, tmp_path / "ranges.json")
    result = _export(place, *options, "--ranges", tmp_path / "ranges.json")
    assert result.returncode == 0, result.stderr


def test_layers_of_mixed_bits(tmp_path: Path) -> None:
    place, bits = _folder(tmp_path / "model"), tmp_path / "bits.json"
    options = (place, "--precision", "mixed", "--min-agreement", 0)
    _refused(_export(*options), "mixed has 4 or 8 bits by layer: give --bits FILE")
    _refused(_export(*options, "--bits", bits), "can't be read")
    bits.write_text("[4]")
    _refused(_export(*options, "--bits", bits), "no JSON of bits by layer")
    bits.write_text('{"bert.encoder.layer.0": 4}')
    _refused(_export(*options, "--bits", bits), "bits are of another model: bert.encoder.layer.1")
    bits.write_text('{"bert.encoder.layer.0": 4, "bert.encoder.layer.1": 8}')
    result = _export(*options, "--bits", bits)
    assert result.returncode == 0, result.stderr
    session = onnxruntime.InferenceSession(place / "onnx" / "model-mixed.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["bits"])["bert.encoder.layer.1"] == 8
