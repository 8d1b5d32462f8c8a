"""The whole command on a corpus, at smoke size."""

import json
import math
import shutil
import signal
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from distill.recipes import RECIPES
from tests.distill.command import interrupted, run_command, start_command, start_of, untrained

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
QUICK = ("--max-length", "16", "--set", "training.max_steps=30", "--teacher-set", "max_steps=20")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def _run(files, out, *options):
    return run_command(files, out, "--data", f"corpus:{files / 'corpus.txt'}", *QUICK, *options)


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    result = _run(files, out, "--recipe", "distilbert", "--control", "--set", "training.learning_rate=3e-3")
    assert result.returncode == 0, result.stdout + result.stderr
    return out, result


def test_the_record_says_what_was_made(finished):
    out, result = finished
    record = json.loads((out / "run.json").read_text())
    assert record["data"]["kind"] == "masked-lm"
    assert "language head trained (its encoder frozen) first" in record["teachers"][0]["note"]
    assert record["initialisation"]["method"] == "cut"
    assert set(record["quality"]) == {
        "teacher", "student_before_training", "student", "control", "comparisons", "kept"
    }  # fmt: skip
    compared = record["quality"]["comparisons"]["student_minus_control"]
    values = [record["quality"][who]["value"] for who in ("student", "control")]
    assert compared["difference"] == pytest.approx(values[0] - values[1])
    assert compared["low"] <= compared["difference"] <= compared["high"]
    assert "Not compared" not in (out / "report.html").read_text()
    assert {"soft_targets", "hard_labels", "hidden_cosine"} <= set(record["seeds"][0]["history"][0])
    assert record["quality"]["student"]["kl"] > 0
    assert (out / "report.html").is_file()
    assert "Traceback" not in result.stderr


def test_the_teachers_encoder_stays_as_it_was(files, finished):
    before, after = load_file(files / "teacher/model.safetensors"), load_file(finished[0] / "teacher/model.safetensors")
    shared = [name for name in before if "pooler" not in name]
    assert all(torch.equal(before[name], after[f"bert.{name}"]) for name in shared)
    assert [name for name in after if name.startswith("cls.")]


def test_the_student_is_an_ordinary_folder_and_a_start_for_a_task(files, finished, tmp_path):
    folder = finished[0] / "student"
    model, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    words = AutoTokenizer.from_pretrained(folder)
    assert model(**words("a fine [MASK]", return_tensors="pt")).logits.shape[-1] == model.config.vocab_size
    result = run_command(files, tmp_path / "task", "--student", str(folder), "--set", "training.max_steps=5")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "with a new head" in result.stdout


def test_a_pretrained_student_names_more_words_than_before(finished):
    quality = json.loads((finished[0] / "run.json").read_text())["quality"]
    before, after = (quality[who]["metrics"] for who in ("student_before_training", "student"))
    assert after["loss"] < before["loss"] - 0.1
    assert after["perplexity"] == pytest.approx(math.exp(after["loss"]))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_goes_through_the_command(files, finished, name):
    """Trains all it holds, is an ordinary folder, and ends the same after Ctrl-C."""
    folder = finished[0].parent
    student = ("--student", "layers=2,hidden=16,heads=4,feed_forward=32")
    settings = ("--set", "training.max_steps=6", "--set", "training.weight_decay=0")
    options = ("--recipe", name, *student, *settings)
    straight, killed = folder / f"recipe-{name}", folder / f"killed-{name}"
    result = _run(files, straight, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    trained, start = load_file(straight / "student/model.safetensors"), start_of(straight)
    assert all(torch.isfinite(tensor).all() for tensor in trained.values())
    assert {key for key in start if torch.equal(start[key], trained[key])} <= untrained(RECIPES[name], start)
    _, info = AutoModelForMaskedLM.from_pretrained(straight / "student", output_loading_info=True)
    assert not any(info.values())
    with interrupted(4, training=len(RECIPES[name].stages) - 1):
        assert _run(files, killed, *options).returncode == 130
    assert _run(files, killed, *options).returncode == 0
    resumed = load_file(killed / "student/model.safetensors")
    assert all(torch.equal(trained[key], resumed[key]) for key in trained)
    assert json.loads((killed / "run.json").read_text())["seeds"][0]["stages"][-1]["resumed"]


def test_the_next_run_reuses_the_head(files, finished):
    out = finished[0].parent / "second"
    result = _run(files, out, "--recipe", "tinybert", "--no-packed", "--set", "training.max_steps=4")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "trained (its encoder frozen) first" in result.stdout, "other rows, another head"
    again = _run(files, finished[0].parent / "third", "--set", "training.max_steps=4")
    assert "trained (its encoder frozen) earlier, reused" in again.stdout


def test_a_killed_run_ends_where_the_straight_one_ends(files, tmp_path):
    ends = []
    for kill in (False, True):
        out = tmp_path / str(kill)
        options = ("--data", f"corpus:{files / 'corpus.txt'}", *QUICK, "--set", "training.max_steps=60")
        if kill:
            process = start_command(files, out, *options)
            while process.poll() is None and not list(out.glob("seed-0/student/*/checkpoint-*/trainer_state.json")):
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert not (out / "run.json").exists(), "killed too late"
        assert run_command(files, out, *options).returncode == 0
        ends.append(load_file(out / "student/model.safetensors"))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric", "f1"), "--metric is for tasks"),
        (("--labelled-rows", "5"), "--labelled-rows is for tasks"),
        (("--seeds", "2"), "--seeds is for tasks"),
        (("--data", "corpus:nothing.txt"), "no file or folder nothing.txt"),
        (("--student", "."), "config.json"),
        (("--set", "masking.probability=2"), "masking.probability"),
    ],
)
def test_mistakes_are_one_line(files, tmp_path, options, message):
    result = _run(files, tmp_path / "run", *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_mobilebert_of_a_corpus_is_a_start_for_a_task(files, tmp_path):
    student = ("--student", "layers=2,hidden=32,heads=4,family=mobilebert", "--recipe", "mobilebert")
    result = _run(files, tmp_path / "general", *student, "--set", "training.learning_rate=3e-3")
    assert result.returncode == 0, result.stdout + result.stderr
    quality = json.loads((tmp_path / "general" / "run.json").read_text())["quality"]
    assert quality["student"]["metrics"]["loss"] < quality["student_before_training"]["metrics"]["loss"]
    steps = ("--set", "training.max_steps=2", "--teacher-set", "max_steps=2")
    again = run_command(files, tmp_path / "task", "--student", str(tmp_path / "general" / "student"), *steps)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "student's start: given" in again.stdout


@pytest.mark.parametrize("option", ["--train-rows", "--evaluation-rows"])
def test_no_rows_are_refused(files, tmp_path, option):
    result = _run(files, tmp_path / "run", option, "0")
    assert result.returncode == 2
    assert f"{option} 0: take at least 1" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_student_is_distilled_further(files, finished, tmp_path):
    given = finished[0] / "student"
    options = ("--student", str(given), "--recipe", "tinybert-general", "--set", "training.max_steps=1")
    result = _run(files, tmp_path / "run", *options)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"the weights of {given}, with its head" in result.stdout
    before, after = (json.loads((out / "run.json").read_text())["quality"] for out in (finished[0], tmp_path / "run"))
    assert after["student_before_training"]["value"] == pytest.approx(before["student"]["value"])
    again = _run(files, tmp_path / "run", *options)
    assert again.returncode == 0, again.stdout + again.stderr
    path = tmp_path / "other" / "tokenizer.json"
    shutil.copytree(given, path.parent)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalizer": {"type": "Lowercase"}}))
    refused = _run(files, tmp_path / "refused", "--student", str(path.parent))
    assert refused.returncode == 2
    assert "have different tokenizers (their normalizer differs)" in refused.stderr
