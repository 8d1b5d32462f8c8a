"""The whole command with students whose word table is in two factors, or whose layers share weights."""

import json

import pytest
import torch
from safetensors.torch import load_file

from students.anatomy import anatomy
from students.building import load_student
from tests.distill.command import interrupted, run_command

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
