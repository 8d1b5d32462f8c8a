"""A prepared run with a trained student, and chains on it without the command around them."""

import copy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_model

from distill import pipeline
from distill.compression.chain import carry_out
from distill.compression.plan import parse_chain
from distill.compression.state import State
from distill.config import RunConfig
from distill.pipeline import Trained
from distill.preparation import Run, prepare
from distill.recipes.loading import load_recipe
from distill.recipes.schema import TrainingSettings
from tests.conftest import BAD, GOOD, NEUTRAL, tiny_bert, write_files
from tests.students.wordpieces import save_teacher

QUICK = TrainingSettings(max_steps=100, batch_size=16, learning_rate=2e-3)
RECIPE = ("training.batch_size=16", "training.max_steps=30", "training.learning_rate=3e-3")


@dataclass
class Ready:
    """A run whose teachers are ready, and its trained student."""

    run: Run
    trained: Trained

    def chain(self, text, folder, role="student", most_loss=1.0, tell=lambda line: None):
        """Carry a chain out in a folder of its own."""
        return carry_out(self.run, parse_chain(text), self.trained, role, seconds_of, most_loss, tell, folder)

    def chain_start(self):
        """Return the state that a chain begins with."""
        model = copy.deepcopy(self.run.student)
        load_model(model, self.trained.weights)
        return State(model.eval(), self.run.reading)


def seconds_of(model):
    """Return a latency that falls with the encoder's weights."""
    return sum(weight.numel() for weight in model.base_model.encoder.parameters()) / 1e3


def ready(files: Path, folder: Path, data="labels", settings=(), **changes) -> Ready:
    """Prepare a run, and train its teachers and its student in a few steps."""
    usual = {"teachers": (str(files / "teacher"),), "student": "layers=2,hidden=16,heads=2,feed_forward=32"}
    recipe = load_recipe("logits", (*RECIPE, *settings))
    config = RunConfig(data=str(files / data), recipe=recipe, teacher_training=QUICK, **usual | changes)
    folder.mkdir(parents=True, exist_ok=True)
    run = prepare(config, folder)
    pipeline.ready_teachers(run)
    pipeline.start_student(run)
    start = {name: tensor.detach().clone() for name, tensor in run.student.state_dict().items()}
    return Ready(run, pipeline.train_student(run, start, config.seed))


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The usual files with a teacher whose tokenizer can be trimmed; `whole-words` has the one whose can't."""
    files = write_files(tmp_path_factory.mktemp("files"))
    (files / "teacher").rename(files / "whole-words")
    torch.manual_seed(0)
    save_teacher(files / "teacher", tiny_bert(vocab_size=160).bert, [*GOOD, *BAD, *NEUTRAL])
    return files


@pytest.fixture(scope="session")
def classifier(files, tmp_path_factory):
    """A run on the classification task."""
    return ready(files, tmp_path_factory.mktemp("runs") / "run")


def same_weights(ours, theirs):
    """Tell whether two models hold the same numbers under the same names."""
    a, b = ours.state_dict(), theirs.state_dict()
    return a.keys() == b.keys() and all(torch.equal(tensor, b[name]) for name, tensor in a.items())
