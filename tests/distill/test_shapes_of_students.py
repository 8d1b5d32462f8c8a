"""The whole command with students whose word table is in two factors, or whose layers share weights."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file

from students.anatomy import anatomy
from students.building import build_student, load_student, save_student
from students.factorised import factorise
from students.pruning.removal import removed
from students.spec import parse_student
from tests.conftest import tiny_bert
from tests.distill.command import interrupted, run_command
from tests.students.pruning.labelled import UNEVEN

STUDENT = "layers=4,hidden=16,heads=2,feed_forward=32"


def run(files, out, student, recipe="tinybert"):
    options = ("--student", f"{STUDENT},{student}", "--recipe", recipe, "--teacher-set", "max_steps=10")
    return run_command(files, out, *options, "--set", "training.epochs=1")


@pytest.mark.parametrize("student", ["embedding=6,sharing=2"])
def test_a_layer_wise_recipe_trains_them(files, tmp_path, student):
    result = run(files, tmp_path / "run", student)
    assert result.returncode == 0, result.stdout + result.stderr
    trained = load_student(tmp_path / "run" / "student")
    layers = anatomy(trained).layers
    assert (layers[0].query is layers[1].query) == ("sharing" in student)
    assert trained.get_input_embeddings().embedding_dim == (6 if "embedding" in student else 16)
    started = load_file(tmp_path / "run" / "start.safetensors")
    moved = [name for name, weight in trained.named_parameters() if not torch.equal(started.get(name, weight), weight)]
    assert any(".layer.0." in name for name in moved)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["initialisation"]["method"] == "cut"
    differences = [each["parity"]["max_logit_difference"] for each in record["artefacts"] if "fp32" in each["name"]]
    assert len(differences) == 2
    assert max(differences) < 1e-3


def test_an_interrupted_run_ends_as_a_straight_one(files, tmp_path):
    with interrupted(step=2, training=1):
        stopped = run(files, tmp_path / "stopped", "embedding=6,sharing=2", "logits")
    assert stopped.returncode == 130, stopped.stdout + stopped.stderr
    for name in ("run", "stopped"):
        done = run(files, tmp_path / name, "embedding=6,sharing=2", "logits")
        assert done.returncode == 0, done.stdout + done.stderr
    weights = load_file(tmp_path / "run" / "student" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "stopped" / "student" / "model.safetensors").items():
        assert torch.equal(tensor, weights[name]), name


def folder_of(model, files, place):
    """A model as a folder, with the teacher's tokenizer."""
    save_student(model, place)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (place / name).write_bytes((files / "teacher" / name).read_bytes())
    return str(place)


def shared_teacher():
    return build_student(parse_student("layers=4,hidden=32,heads=4,feed_forward=64,sharing=2"), tiny_bert())


def test_a_pruned_and_factorised_folder_is_student_of_a_pruned_teacher(files, tmp_path):
    torch.manual_seed(0)
    pruned = removed(tiny_bert().eval(), UNEVEN)
    teacher = folder_of(pruned, files, tmp_path / "teacher")
    student = folder_of(factorise(pruned, 7), files, tmp_path / "student")
    options = ("--teacher", teacher, "--student", student, "--recipe", "tinybert", "--no-control")
    done = run_command(files, tmp_path / "run", *options, "--set", "training.max_steps=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert load_student(tmp_path / "run" / "student").config.layer_sizes["layers"][1]["heads"] == 4


@pytest.mark.parametrize(
    ("teacher", "options", "said"),
    [
        (shared_teacher, ("--student", "teacher", "--compress", "prune:0.3"), "layers share weights can't be pruned"),
        (lambda: removed(tiny_bert(), UNEVEN), ("--recipe", "tinybert"), "1 of teacher 'teacher' .layer 1.*--recipe"),
        (lambda: removed(tiny_bert(), UNEVEN), ("--initialisation", "cut"), "heads is 2 and its teacher's only 1"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line_before_anything_is_trained(files, tmp_path, teacher, options, said):
    place = folder_of(teacher().eval(), files, tmp_path / "teacher")
    student = () if "--student" in options else ("--student", "layers=3,hidden=16,heads=2,feed_forward=8")
    refused = run_command(files, tmp_path / "run", "--teacher", place, *student, *options)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert re.search(said, refused.stderr), refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("run/**/*.safetensors"))
