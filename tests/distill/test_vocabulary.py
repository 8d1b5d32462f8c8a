"""The whole command with a student that reads a part of its teacher's vocabulary."""

import json
import shutil

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

import distill.run
from distill.data.tasks import Task, TaskData
from distill.vocabulary import trimmed_for
from students.building import load_student
from tests.conftest import BAD, GOOD, NEUTRAL, tiny_bert
from tests.distill.command import STUDENT, interrupted, run_command
from tests.running import run_here
from tests.students.wordpieces import save_teacher, wordpieces

WORDS = [*GOOD, *BAD, *NEUTRAL]
PIECES = 80


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("wordpieces") / "teacher"
    model = tiny_bert()
    model.resize_token_embeddings(len(wordpieces(WORDS)))
    save_teacher(folder, model.bert, WORDS)
    return folder


def run(files, out, teacher, *options, student=STUDENT, **settings):
    words = ("--teacher", str(teacher), "--student", student, "--teacher-set", "max_steps=10", *options)
    return run_command(files, out, *words, **settings)


def test_the_text_decides_and_the_line_says_what_is_left():
    task = Task("x", "classification", ("text",), "label", ("a", "b"), "accuracy")
    train, held_out = ["fine fine dull", "dull awful"], ["fine awful great dull"]
    rows = [Dataset.from_dict({"text": texts, "label": [0] * len(texts)}) for texts in (train, held_out)]
    data = TaskData(task, rows[0], rows[1], Dataset.from_dict({"text": ["awful awful"]}), 0, (), "0")
    tokenizer = wordpieces(WORDS)
    trimmed, line = trimmed_for(data, tokenizer, PIECES, 64)
    words = set(trimmed.tokenizer.get_vocab()) & set(WORDS)
    assert {"fine", "dull", "awful"} <= words
    assert f"80 of {len(tokenizer)} pieces (the training text uses 3); 25.0 %" in line
    _, short = trimmed_for(data, tokenizer, PIECES, 1)  # of each text its first piece alone
    assert "(the training text uses 3); 0.0 %" in short


@pytest.mark.parametrize("recipe", ["logits", "tinybert"])
def test_a_trimmed_student_trains_exports_and_reads_its_own_tokens(files, teacher, tmp_path, recipe):
    options = ("--recipe", recipe, "--set", "training.epochs=1")
    result = run(files, tmp_path / "run", teacher, *options, student=f"{STUDENT},vocabulary={PIECES}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "vocabulary: 80 of" in result.stdout
    folder = tmp_path / "run" / "student"
    student, tokenizer = load_student(folder), AutoTokenizer.from_pretrained(folder)
    assert student.config.vocab_size == len(tokenizer) == PIECES
    assert student.get_input_embeddings().weight.shape == (PIECES, 16)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert any("vocabulary: 80 of" in line for line in record["alignment"])
    assert record["initialisation"]["method"] == "cut"
    differences = [each["parity"]["max_logit_difference"] for each in record["artefacts"] if "fp32" in each["name"]]
    assert len(differences) == 2 and max(differences) < 1e-3


def test_a_vocabulary_of_all_pieces_changes_nothing(files, teacher, tmp_path):
    whole = len(wordpieces(WORDS))
    for name, student in (("all", f"{STUDENT},vocabulary={whole}"), ("none", STUDENT)):
        result = run(files, tmp_path / name, teacher, "--set", "training.epochs=2", student=student)
        assert result.returncode == 0, result.stdout + result.stderr
    ours, theirs = (load_file(tmp_path / name / "student" / "model.safetensors") for name in ("all", "none"))
    for name, tensor in theirs.items():
        assert torch.allclose(tensor, ours[name], atol=1e-6), name


def test_a_regression_of_pairs_is_trimmed_too_and_an_interrupted_run_ends_as_a_straight_one(files, teacher, tmp_path):
    options = {"student": f"{STUDENT},vocabulary={PIECES}", "data": "values"}
    with interrupted(step=9, training=1):
        stopped = run(files, tmp_path / "stopped", teacher, "--set", "training.epochs=1", **options)
    assert stopped.returncode == 130, stopped.stdout + stopped.stderr
    for name in ("run", "stopped"):
        done = run(files, tmp_path / name, teacher, "--set", "training.epochs=1", **options)
        assert done.returncode == 0, done.stdout + done.stderr
    weights = load_file(tmp_path / "run" / "student" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "stopped" / "student" / "model.safetensors").items():
        assert torch.equal(tensor, weights[name]), name


def test_several_teachers_answer_for_a_trimmed_student_without_noise(files, teacher, tmp_path):
    second = tmp_path / "second"
    shutil.copytree(teacher, second)
    options = ("--teacher", str(second), "--set", "training.epochs=2")
    result = run(files, tmp_path / "run", teacher, *options, student=f"{STUDENT},vocabulary={PIECES}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("reads other tokens") == 2


def test_a_table_with_more_rows_than_pieces_is_kept_whole(files, teacher, tmp_path):
    padded = tmp_path / "padded"
    shutil.copytree(teacher, padded)
    model = AutoModel.from_pretrained(teacher)
    model.resize_token_embeddings(len(wordpieces(WORDS)) + 7)
    model.save_pretrained(padded)
    whole = len(wordpieces(WORDS))
    result = run(files, tmp_path / "run", padded, "--set", "training.epochs=1", student=f"{STUDENT},vocabulary={whole}")
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["initialisation"]["method"] == "cut"
    assert load_student(tmp_path / "run" / "student").config.vocab_size == whole + 7
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    differences = [each["parity"]["max_logit_difference"] for each in record["artefacts"] if "fp32" in each["name"]]
    assert len(differences) == 2 and max(differences) < 1e-3


@pytest.mark.parametrize(
    ("student", "data", "said"),
    [
        (f"{STUDENT},vocabulary=9", "labels", "take at least so many"),
        (f"{STUDENT},vocabulary=9000", "labels", "take fewer"),
        (f"{STUDENT},vocabulary=-3", "labels", "must be a whole number of at least 1"),
        (f"{STUDENT},vocabulary=some", "labels", "is not a whole number"),
        (f"{STUDENT},vocabulary=80", "corpus:{files}/corpus.txt", "trimmed to a task's text"),
    ],
)
def test_vocabularies_that_are_none_are_one_line(files, teacher, tmp_path, student, data, said):
    words = ["--teacher", str(teacher), "--student", student, "--out", str(tmp_path / "run")]
    place = data.format(files=files) if ":" in data else str(files / data)
    result = run_here(distill.run, distill.run.main, *words, "--data", place)
    assert result.returncode == 2
    assert said in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "run" / "run.json").exists()
