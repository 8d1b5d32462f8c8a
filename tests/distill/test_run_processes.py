"""The command started by torchrun."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.distill.command import arguments_of, environment, run_command

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


RECIPES = {
    "logits": ["--set", "stages.task.noise=null", "--set", "training.epochs=2"],
    "tinybert": ["--recipe", "tinybert", "--set", "stages.0.training.epochs=2", "--set", "stages.1.training.epochs=1"],
}


def _run_in_two(files, out, *options):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "distill.run", *arguments_of(files, out, *options)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_with_half_the_batch_end_where_one_ends(recipe, files, tmp_path):
    """With the teacher's states kept, too, which the first process writes and both read."""
    options = ["--set", "training.dropout=0", *RECIPES[recipe]]
    options += ["--teacher-set", "dropout=0", "--teacher-set", "max_steps=20", "--initialisation", "random"]
    ends = []
    for processes in (1, 2):
        out, size = tmp_path / str(processes), 8 // processes
        sizes = ["--set", f"training.batch_size={size}", "--teacher-set", f"batch_size={size}"]
        start = run_command if processes == 1 else _run_in_two
        done = start(files, out, *options, *sizes)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("report:") == 1
        record = json.loads((out / "run.json").read_text())
        assert record["environment"]["processes"] == processes
        assert record["seeds"][0]["stages"][0]["steps"] == 40
        ends.append(out)
    for name in ("teacher/model.safetensors", "student/model.safetensors"):
        one, two = (load_file(out / name) for out in ends)
        apart = torch.cat([(one[key] - two[key]).abs().flatten() for key in one])
        # A loss over tokens is the mean of each process's own, and one's half of a batch may hold more of them; and
        # rounding turns the sign of a gradient that is almost 0, by which Adam steps at its full rate.
        assert apart.max() < 5e-4 and apart.mean() < 5e-5


def test_a_mistake_of_several_processes_is_told_once(files, tmp_path):
    done = _run_in_two(files, tmp_path / "run", "--metric", "rouge")
    assert done.returncode != 0
    assert done.stderr.count("error: unknown metric") == 1
    assert done.stderr.count("Traceback") <= 1  # the launcher's own


def test_a_sharded_launch_is_refused(files, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    result = run_command(files, tmp_path / "run")
    assert result.returncode == 2
    assert "FSDP and DeepSpeed are not supported" in result.stderr
