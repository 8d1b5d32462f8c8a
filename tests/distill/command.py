"""The whole command at smoke size, in this process or in one of its own."""

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file

from distill import run
from distill.trainer import DistillTrainer

ROOT = Path(__file__).parents[2]
QUICK = [
    *("--set", "training.batch_size=8", "--set", "training.min_steps=0", "--teacher-set", "batch_size=8"),
    *("--rounds", "1", "--latency-length", "8"),
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


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


def run_command(*arguments, **options):
    """Run the command in this process, as `python -m distill.run` would."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    argv, console = sys.argv, run.console
    sys.argv = ["distill.run", *arguments_of(*arguments, **options)]
    run.console = Console(file=output, width=200)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            run.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv, run.console = argv, console
    return Result(code, output.getvalue(), errors.getvalue())


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
