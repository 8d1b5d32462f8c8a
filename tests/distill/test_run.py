"""The whole command at smoke size, with a small teacher and data made here."""

import json
import shutil
import signal
import time

import onnxruntime
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
)

from distill.recipes import RECIPES
from tests.distill.command import interrupted, run_command, start_command, start_of, untrained


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    result = run_command(files, out, "--control", "--seeds", "2", "--set", "training.epochs=2")
    assert result.returncode == 0, result.stdout + result.stderr
    return out, result


pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def test_everything_is_there(finished):
    out, result = finished
    for name in ("run.json", "report.html", "config.json", "student/tokenizer.json", "student/model.safetensors"):
        assert (out / name).is_file(), name
    assert "report:" in result.stdout
    assert "Traceback" not in result.stderr


def test_the_record_says_what_was_done(finished):
    record = json.loads((finished[0] / "run.json").read_text())
    assert record["data"]["rows"] == {"train": 160, "unlabelled": 0, "evaluation": 60}
    assert [seed["seed"] for seed in record["seeds"]] == [0, 1]
    assert record["seeds"][0]["stages"][0]["steps"] == 40
    assert record["seeds"][0]["control"]["value"] is not None
    assert record["models"]["student"]["layers"] == 2
    assert {row["model"] for row in record["latency"]["rows"]} >= {"teacher fp32", "student int8"}


def test_onnx_files_say_what_the_record_says(finished):
    out, _ = finished
    record = json.loads((out / "run.json").read_text())
    for file in record["artefacts"]:
        assert (out / file["path"]).stat().st_size == file["bytes"]
    session = onnxruntime.InferenceSession(out / "student" / "model-fp32.onnx")
    tokens = PreTrainedTokenizerFast.from_pretrained(out / "student")("a great film", return_tensors="np")
    (logits,) = session.run(None, {item.name: tokens[item.name] for item in session.get_inputs()})
    assert logits.shape == (1, 2)


def test_the_same_command_runs_nothing_again(files, finished):
    out, _ = finished
    before = json.loads((out / "run.json").read_text())
    result = run_command(files, out, "--set", "training.epochs=2")
    after = json.loads((out / "run.json").read_text())
    assert result.returncode == 0
    assert "has 2 seed(s), a control: they stay in the report" in result.stdout
    assert after["command"].endswith("--control --seeds 2"), "the command that makes this page"
    assert after["seeds"] == before["seeds"]
    assert after["quality"] == before["quality"]


def test_the_next_run_reuses_the_finetuned_teacher(files, finished):
    out, _ = finished
    result = run_command(files, out.parent / "second", "--recipe", "tinybert", "--set", "training.epochs=1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "fine-tuned earlier" in result.stdout
    record = json.loads((out.parent / "second" / "run.json").read_text())
    assert [stage["name"] for stage in record["seeds"][0]["stages"]] == ["intermediate", "prediction"]
    first = json.loads((out / "run.json").read_text())
    description = first["initialisation"]["description"]
    assert record["initialisation"]["description"] == f"{description} (reused from {out})"
    assert record["quality"]["student_before_training"] == first["quality"]["student_before_training"]
    assert not (out.parent / "second" / "start.safetensors").exists(), "the start is taken from the run beside it"
    (out / "start.safetensors").write_bytes(b"damaged")
    shutil.rmtree(out.parent / "second")
    again = run_command(files, out.parent / "second", "--recipe", "tinybert", "--set", "training.epochs=1")
    assert again.returncode == 0, again.stdout + again.stderr
    repeated = json.loads((out.parent / "second" / "run.json").read_text())
    assert repeated["quality"]["student"] == record["quality"]["student"], "a damaged start is made anew"
    third = run_command(files, out.parent / "third", "--set", "training.max_steps=1", "--initialisation", "pca")
    assert third.returncode == 0, third.stdout + third.stderr
    assert (out.parent / "third" / "start.safetensors").exists(), "another start is made anew"


def test_changed_data_behind_the_same_path_is_noticed(files, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(files / "labels", data)
    options = ("--data", str(data), "--set", "training.max_steps=2", "--teacher-set", "max_steps=2")
    assert run_command(files, tmp_path / "run", *options).returncode == 0
    rows = (data / "train.tsv").read_text().splitlines()
    (data / "train.tsv").write_text("\n".join([rows[0], *reversed(rows[1:]), "one more row\t1"]) + "\n")
    result = run_command(files, tmp_path / "run", *options)
    assert result.returncode == 2
    assert "the content of data changed" in result.stderr


def test_a_teacher_of_another_task_is_not_taken_as_it_is(files, finished, tmp_path):
    """Its head has these labels, but it answers no better than a constant."""
    swapped = tmp_path / "data"
    shutil.copytree(files / "labels", swapped)
    for name in ("train.tsv", "dev.tsv"):
        header, *rows = (swapped / name).read_text().splitlines()
        turned = [f"{row[:-1]}{1 - int(row[-1])}" for row in rows]
        (swapped / name).write_text("\n".join([header, *turned, *(f"still {row}" for row in turned)]) + "\n")
    teacher = ("--teacher", str(finished[0] / "teacher"), "--data", str(swapped), "--set", "training.max_steps=2")
    result = run_command(files, tmp_path / "run", *teacher)
    assert result.returncode == 2
    assert "--finetune" in result.stderr
    assert (
        run_command(files, tmp_path / "run", *teacher, "--finetune").returncode == 0
    )  # the remedy, in the same folder


def test_a_chain_through_an_inverted_bottleneck_ends_in_a_mobilebert(files, finished, tmp_path):
    quick = ("--set", "training.max_steps=4", "--recipe", "mobilebert")
    teacher = ("--teacher", str(finished[0] / "teacher"))
    wide = ("--student", "layers=4,hidden=32,heads=4,family=ib_bert")
    assert run_command(files, tmp_path / "wide", *teacher, *wide, *quick).returncode == 0
    narrow = ("--student", "layers=2,hidden=32,heads=4,family=mobilebert")
    result = run_command(files, tmp_path / "narrow", "--teacher", str(tmp_path / "wide" / "student"), *narrow, *quick)
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "narrow" / "run.json").read_text())
    assert record["models"]["teacher"]["architecture"] == "ib_bert"
    assert record["models"]["student"]["inner_width"] == 8
    assert [stage["name"] for stage in record["seeds"][0]["stages"]] == ["transfer", "prediction"]
    parity = {file["name"]: file["parity"] for file in record["artefacts"]}
    assert parity["student fp32"]["max_logit_difference"] < 1e-4, "with its norms folded"


def test_changed_copies_are_rows_that_the_teacher_labels(files, finished, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ("--teacher", str(finished[0] / "teacher"), "--recipe", "tinybert", "--set", "training.max_steps=4")
    result = run_command(
        files, tmp_path / "run", *options, "--control", "--augment", "3", "--augment-set", "candidates=4"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = json.loads((tmp_path / "run" / "run.json").read_text())["data"]["rows"]
    assert rows["train"] == 160
    assert 160 < rows["augmented"] <= 3 * 160
    assert f"0 without label, {rows['augmented']} copies" in result.stdout
    assert "the nearest in" in result.stdout
    refused = run_command(files, tmp_path / "run", *options, "--augment", "4", "--augment-set", "candidates=4")
    assert refused.returncode == 2
    assert "augmentation.copies: 3 there, 4 here" in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--augment", "0"), "copies"),
        (("--augment-set", "candidates=3"), "say how many copies"),
        (("--augment", "3", "--augment-set", "candidate=3"), "there is no field candidate"),
        (("--augment", "3", "--augment-set", "candidates"), "write it as field=value"),
        (("--augment", "3", "--augment-set", "vectors=nowhere.txt"), "no file or folder"),
    ],
)
def test_wrong_augmentations_are_refused(files, finished, tmp_path, options, message):
    result = run_command(files, tmp_path / "run", "--teacher", str(finished[0] / "teacher"), *options)
    assert result.returncode == 2
    assert message in result.stderr


def test_a_student_of_another_task_gets_a_new_head(files, finished, tmp_path):
    given = finished[0] / "student"
    options = ("--student", str(given), "--set", "training.max_steps=2", "--teacher-set", "max_steps=2")
    assert run_command(files, tmp_path / "run", *options, data="values").returncode == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "with a new head (it is a classifier)" in record["initialisation"]["description"]


def test_a_pretrained_student_starts_with_its_own_encoder(files, finished, tmp_path):
    given = tmp_path / "pretrained"
    config = BertConfig.from_pretrained(finished[0] / "student", architectures=None)
    BertForMaskedLM(config).half().save_pretrained(given)
    AutoTokenizer.from_pretrained(files / "teacher").save_pretrained(given)
    options = ("--student", str(given), "--set", "training.learning_rate=1e-12", "--set", "training.max_steps=1")
    assert run_command(files, tmp_path / "run", *options).returncode == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "with a new head (it is a BertForMaskedLM" in record["initialisation"]["description"]
    before, after = load_file(given / "model.safetensors"), load_file(tmp_path / "run/student/model.safetensors")
    shared = [name for name in after if name in before]
    assert len(shared) == len([name for name in after if "classifier" not in name and "pooler" not in name])
    assert all(torch.allclose(before[name].float(), after[name], atol=1e-6) for name in shared)
    assert {after[name].dtype for name in after} == {torch.float32}


def test_evaluation_rows_that_are_known_are_warned_of(files, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(files / "labels", data)
    lines = (data / "dev.tsv").read_text().splitlines()
    with (data / "train.tsv").open("a") as stream:
        stream.write("\n".join(lines[1:4]) + "\n")
    options = ("--data", str(data), "--set", "training.max_steps=2", "--teacher-set", "epochs=1")
    assert run_command(files, tmp_path / "run", *options).returncode == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert any(
        "3 of 60 evaluation rows have a text that the labelled train rows" in text for text in record["warnings"]
    )
    facts = json.loads((tmp_path / "run" / "teacher" / "finetuned.json").read_text())
    assert facts["steps"] == 21, "163 rows in batches of 8: --teacher-set epochs takes the least number of steps away"


def test_a_damaged_student_is_one_line(files, finished, tmp_path):
    folder = tmp_path / "student"
    shutil.copytree(finished[0] / "student", folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    result = run_command(files, tmp_path / "run", "--student", str(folder))
    assert result.returncode == 2
    assert "can't be loaded" in result.stderr


def test_other_settings_in_the_same_folder_are_refused(files, finished):
    out, _ = finished
    result = run_command(files, out, "--set", "training.epochs=3")
    assert result.returncode == 2
    assert "other settings" in result.stderr


def test_regression_on_pairs(files, tmp_path):
    result = run_command(files, tmp_path / "run", "--recipe", "distilbert", "--set", "training.epochs=1", data="values")
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["data"]["kind"] == "regression"
    assert set(record["quality"]["student"]["metrics"]) == {"pearson", "spearman"}


def test_a_regression_does_not_depend_on_the_units_of_its_targets(files, tmp_path):
    """The same scores times 1000 plus 7: the same student, answering in those units, in every file."""
    shutil.copytree(files / "values", tmp_path / "data")
    for split in ("train", "dev"):
        lines = (tmp_path / "data" / f"{split}.tsv").read_text().splitlines()
        cells = [line.split("\t") for line in lines[1:]]
        moved = ["\t".join([*texts, str(1000 * float(score) + 7)]) for *texts, score in cells]
        (tmp_path / "data" / f"{split}.tsv").write_text("\n".join([lines[0], *moved]) + "\n")
    answers, ids = {}, [[2, 4, 9, 3, 5, 20, 3]]
    for name, folder in (("small", files / "values"), ("large", tmp_path / "data")):
        options = ("--data", str(folder), "--regression", "--set", "training.epochs=1", "--teacher-set", "max_steps=30")
        result = run_command(files, tmp_path / name, *options, data="values")
        assert result.returncode == 0, result.stdout + result.stderr
        for role in ("teacher", "student"):
            model = AutoModelForSequenceClassification.from_pretrained(tmp_path / name / role).eval()
            answers[name, role] = model(torch.tensor(ids)).logits.item()
        record = json.loads((tmp_path / name / "run.json").read_text())
        answers[name, "quality"] = record["quality"]["student"]["value"]
        answers[name, "example"] = float(record["disagreements"][0]["teacher"])
        assert record["artefacts"][2]["parity"]["max_logit_difference"] < 1e-2
    for role in ("teacher", "student", "example"):
        assert answers["large", role] == pytest.approx(1000 * answers["small", role] + 7, rel=0.01)
    assert answers["large", "quality"] == pytest.approx(answers["small", "quality"], abs=0.02)


def test_a_students_folder_has_its_own_weights(files, finished, tmp_path):
    result = run_command(files, tmp_path / "run", "--student", str(finished[0] / "student"), "--initialisation", "cut")
    assert result.returncode == 2
    assert "has its own weights" in result.stderr


def test_a_folder_in_which_a_run_is_at_work_is_refused(files, finished):
    with FileLock(finished[0] / ".lock"):
        result = run_command(files, finished[0], "--control", "--seeds", "2", "--set", "training.epochs=2")
    assert result.returncode == 2
    assert "another run is at work in it" in result.stderr


def test_unlabelled_rows_are_learnt_from(files, tmp_path):
    result = run_command(files, tmp_path / "run", "--labelled-rows", "40", "--control", "--set", "training.epochs=1")
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["data"]["rows"] == {"train": 40, "unlabelled": 120, "evaluation": 60}
    control = json.loads((tmp_path / "run" / "seed-0" / "control" / "01-task" / "stage.json").read_text())
    assert control["steps"] == record["seeds"][0]["stages"][0]["steps"] == 20


def test_a_killed_run_goes_on_and_ends_where_the_straight_one_does(files, tmp_path):
    options = ("--set", "training.max_steps=240")
    straight, killed = tmp_path / "a" / "run", tmp_path / "b" / "run"
    assert run_command(files, straight, *options).returncode == 0
    process = start_command(files, killed, *options)
    stage = killed / "seed-0" / "student" / "01-task"
    deadline = time.monotonic() + 200
    while not any(stage.glob("checkpoint-*/trainer_state.json")) and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (stage / "stage.json").exists(), "it finished before it could be killed"
    assert run_command(files, killed, *options).returncode == 0
    assert json.loads((stage / "stage.json").read_text())["resumed"]
    expected = load_file(straight / "student" / "model.safetensors")
    got = load_file(killed / "student" / "model.safetensors")
    assert all(expected[name].equal(got[name]) for name in expected)


def test_print_recipe_gives_a_file_that_runs(files, tmp_path):
    printed = run_command(files, tmp_path / "run", "--recipe", "distilbert", "--print-recipe")
    assert printed.returncode == 0
    (tmp_path / "mine.yaml").write_text(printed.stdout)
    result = run_command(
        files, tmp_path / "run", "--recipe", str(tmp_path / "mine.yaml"), "--set", "training.max_steps=3"
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_goes_through_the_command(name, files, finished, tmp_path):
    out = finished[0].parent / f"recipe-{name}"  # beside the first run, whose fine-tuned teacher is used again
    student = "layers=2,hidden=16,heads=4,feed_forward=32"
    settings = ("--set", "training.max_steps=6", "--set", "training.weight_decay=0")
    options = ("--recipe", name, "--student", student, *settings)
    result = run_command(files, out, *options)
    assert result.returncode == 0, result.stderr
    trained = load_file(out / "student" / "model.safetensors")
    start = start_of(out)
    assert all(torch.isfinite(tensor).all() for tensor in trained.values())
    assert {key for key in start if torch.equal(start[key], trained[key])} <= untrained(RECIPES[name], start)
    killed = finished[0].parent / f"killed-{name}"
    with interrupted(4, training=len(RECIPES[name].stages) - 1):
        assert run_command(files, killed, *options).returncode == 130
    again = run_command(files, killed, *options)
    assert again.returncode == 0, again.stderr
    resumed = load_file(killed / "student" / "model.safetensors")
    assert all(torch.equal(trained[key], resumed[key]) for key in trained)
    record = json.loads((killed / "run.json").read_text())
    assert record["seeds"][0]["stages"][-1]["resumed"]
    assert [stage["name"] for stage in record["seeds"][0]["stages"]] == [stage.name for stage in RECIPES[name].stages]
    reloaded = AutoModelForSequenceClassification.from_pretrained(out / "student").eval()
    tokens = PreTrainedTokenizerFast.from_pretrained(out / "student")("a great film", return_tensors="pt")
    session = onnxruntime.InferenceSession(out / "student" / "model-fp32.onnx")
    (logits,) = session.run(None, {item.name: tokens[item.name].numpy() for item in session.get_inputs()})
    with torch.no_grad():
        assert logits == pytest.approx(reloaded(**tokens).logits.numpy(), abs=1e-5)


def test_layers_that_start_at_random_are_said(files, tmp_path):
    out = tmp_path / "run"
    result = run_command(
        files, out, "--initialisation", "pca", "--set", "training.max_steps=1", "--teacher-set", "max_steps=1"
    )
    assert "warning: the student's layers start at random" in result.stdout
    assert any("start at random" in text for text in json.loads((out / "run.json").read_text())["warnings"])
