"""The whole command with several teachers, and with teachers that read other tokens than the student."""

import json
import shutil

import pytest
import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from tests.distill.command import run_command

WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    """A run whose `teacher` is fine-tuned and whose `student` is trained."""
    out = tmp_path_factory.mktemp("runs") / "first"
    result = run_command(files, out, "--set", "training.epochs=1", "--teacher-set", "max_steps=15")
    assert result.returncode == 0, result.stdout + result.stderr
    return out


@pytest.fixture(scope="module")
def translated(finished, tmp_path_factory):
    """The fine-tuned teacher with the ordinary tokens numbered backwards: other tokens, the same answers."""
    folder = tmp_path_factory.mktemp("other") / "teacher"
    shutil.copytree(finished / "teacher", folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    last = len(document["model"]["vocab"]) - 1
    renumbered = {
        word: number if number < 5 else last + 5 - number for word, number in document["model"]["vocab"].items()
    }
    document["model"]["vocab"] = renumbered
    (folder / "tokenizer.json").write_text(json.dumps(document))
    weights = load_file(folder / "model.safetensors")
    weights[WORDS][5 : last + 1] = weights[WORDS][5 : last + 1].flip(0).clone()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def teachers(*folders):
    return [part for folder in folders for part in ("--teacher", str(folder))]


def logits(out):
    return load_numpy(out / "teacher-logits.safetensors")["logits"]


def test_a_second_teachers_own_tokens_change_nothing_else(files, finished, translated, tmp_path):
    options = ("--set", "training.epochs=1", "--recipe", "distilbert")
    result = run_command(files, tmp_path / "other", *teachers(finished / "teacher", translated), *options)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "teacher 2" in result.stdout and "reads other tokens" in result.stdout
    alone = run_command(files, tmp_path / "alone", *teachers(finished / "teacher"), *options)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    ours, theirs = (load_file(tmp_path / name / "student" / "model.safetensors") for name in ("other", "alone"))
    for name, tensor in theirs.items():
        assert torch.allclose(tensor, ours[name], atol=1e-4), f"the average of a teacher and its translation: {name}"


def test_a_teacher_that_needs_training_trains_on_its_own_tokens(files, finished, translated, tmp_path):
    options = ("--finetune", "--teacher-set", "max_steps=15", "--set", "training.epochs=1")
    result = run_command(files, tmp_path / "run", *teachers(finished / "teacher", translated), *options)
    assert result.returncode == 0, result.stdout + result.stderr
    before = load_file(finished / "teacher" / "model.safetensors")
    first, second = (load_file(tmp_path / "run" / name / "model.safetensors") for name in ("teacher", "teacher-2"))
    for name in before.keys() - {WORDS}:
        assert torch.allclose(first[name], second[name], atol=1e-5), f"the same texts, the same training: {name}"
    assert not torch.allclose(first["classifier.weight"], before["classifier.weight"], atol=1e-4)


def test_a_student_may_read_other_tokens_than_its_only_teacher(files, finished, translated, tmp_path):
    student = ("--student", str(finished / "student"), "--set", "training.epochs=2")
    result = run_command(files, tmp_path / "other", *teachers(translated), *student)
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "other" / "run.json").read_text())
    assert max(file["parity"]["max_logit_difference"] for file in record["artefacts"] if "fp32" in file["name"]) < 1e-3
    assert record["recipe"]["stages"][0]["noise"] is None, "the record says what was done"
    own, kept = (
        json.loads((folder / "student" / "tokenizer.json").read_text()) for folder in (finished, tmp_path / "other")
    )
    assert own["model"]["vocab"] == kept["model"]["vocab"]
    same = run_command(files, tmp_path / "same", *teachers(finished / "teacher"), *student)
    assert same.returncode == 0, same.stdout + same.stderr
    assert logits(tmp_path / "other") == pytest.approx(logits(tmp_path / "same"), abs=1e-5)


def test_losses_on_tokens_need_the_same_tokens(files, finished, translated, tmp_path):
    student = ("--student", str(finished / "student"), "--recipe", "tinybert")
    result = run_command(files, tmp_path / "run", *teachers(translated), *student)
    assert result.returncode == 2
    assert "different tokenizers" in result.stderr and "take --recipe logits" in result.stderr
    assert not (tmp_path / "run").exists()


def test_several_teachers_are_averaged(files, tmp_path):
    both = (*teachers(files / "teacher", files / "teacher"), "--teacher-weight", "2", "--teacher-weight", "1")
    options = (*both, "--teacher-set", "max_steps=15", "--set", "training.epochs=1")
    result = run_command(files, tmp_path / "run", *options)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "average of 2 teachers" in result.stdout
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [(teacher["seed"], teacher["weight"]) for teacher in record["teachers"]] == [(0, 2.0), (1, 1.0)]
    tokens = {"input_ids": torch.tensor([[2, 4, 9, 30, 3]])}
    logits = []
    for place in ("teacher", "teacher-2"):
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / place).eval()
        logits.append(model(**tokens).logits.softmax(-1))
    assert (logits[0] - logits[1]).abs().max() > 1e-4, "two seeds, two teachers"
    parities = [file["parity"]["max_logit_difference"] for file in record["artefacts"] if "fp32" in file["name"]]
    assert max(parities) < 1e-3, "the exported teacher is the first one, and so is what it is compared with"
    stored = torch.from_numpy(load_numpy(tmp_path / "run" / "teacher-logits.safetensors")["logits"])
    assert torch.allclose(stored.exp().sum(-1), torch.ones(len(stored)), atol=1e-5)
    (tmp_path / "run" / "run.json").unlink()
    again = run_command(files, tmp_path / "run", *options)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("fine-tuned earlier") == 2


def test_a_teacher_that_is_ready_is_not_averaged_with_itself(files, finished, tmp_path):
    result = run_command(files, tmp_path / "run", *teachers(finished / "teacher", finished / "teacher"))
    assert result.returncode == 2
    assert "its average with itself is itself" in result.stderr
