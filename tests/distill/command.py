"""The whole command at smoke size, in this process or in one of its own."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from distill import run
from distill.trainer import DistillTrainer
from tests.running import run_here

ROOT = Path(__file__).parents[2]
QUICK = [
    *("--set", "training.batch_size=8", "--set", "training.min_steps=0", "--teacher-set", "batch_size=8"),
    *("--rounds", "1", "--latency-length", "8", "--precision", "fp32"),
]
STUDENT = "layers=2,hidden=16,heads=2,feed_forward=32"


def arguments_of(files, out, *options, data="labels"):
    teacher = () if "--teacher" in options else ("--teacher", str(files / "teacher"))
    return [
        *teacher, "--student", STUDENT, "--data", str(files / data), "--out", str(out),
        *QUICK, *options,
    ]  # fmt: skip


def environment():
    return os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def run_command(*arguments, **options):
    """Run the command in this process, as `python -m distill.run` would."""
    return run_here(run, run.main, *arguments_of(*arguments, **options))


def start_of(out):
    """Return the weights that a run's student started from: made in it, or in a run beside it."""
    described = json.loads((out / "run.json").read_text())["initialisation"]["description"]
    folder = Path(described.rpartition("(reused from ")[2].rstrip(")")) if "reused from" in described else out
    return load_file(folder / "start.safetensors")


def untrained(recipe, names):
    """Return those of a student's parameters that a recipe leaves alone: the heads, where no loss is of predictions."""
    if any({"soft_targets", "hard_labels"} & set(stage.objectives) for stage in recipe.stages):
        return set()
    return {name for name in names if name.startswith(("classifier", "bert.pooler", "cls.predictions"))}


@contextlib.contextmanager
def interrupted(step, training):
    """Press Ctrl-C in a step of one of the trainings (0: the first) of the commands run meanwhile."""
    real, trainers = DistillTrainer.training_step, []

    def training_step(self, *arguments, **options):
        if self not in trainers:
            trainers.append(self)
        if len(trainers) == training + 1 and self.state.global_step == step:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DistillTrainer, "training_step", training_step)
        yield


def start_command(*arguments, **options):
    """Start the command in a process of its own."""
    command = [sys.executable, "-m", "distill.run", *arguments_of(*arguments, **options)]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
