import shutil
from types import SimpleNamespace

import pytest
import torch

from distill import estimation
from distill.data.encoding import PaddingCollator
from distill.recipes import RECIPES
from distill.stages import build_distiller
from pocketbert.errors import UserError


def test_no_room_is_said_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    estimation.check_disk(tmp_path / "deep" / "run", 10**9 - 1)
    with pytest.raises(UserError, match=r"needs about 2\.50 GB .* 1\.00 GB are free.*--out"):
        estimation.check_disk(tmp_path / "deep" / "run", 2_500_000_000)


def test_memory_by_hand(bert):
    student, teacher = bert(layers=1, hidden=16), bert()
    small, large = estimation.parameters(student), estimation.parameters(teacher)
    assert estimation.training_memory([student], 0) == 4 * 3 * small
    assert estimation.training_memory([student, teacher], 100) == 4 * 3 * large + 100


def test_held_memory_is_the_programs_or_the_weights(bert, monkeypatch):
    grown = torch.ones(2**26)  # 256 MB, so that the program is surely larger
    assert estimation.held_memory([bert()]) > 4 * grown.numel()
    monkeypatch.setattr(estimation, "best_device", lambda: torch.device("cuda"))
    student, teacher = bert(layers=1, hidden=16), bert()
    assert estimation.held_memory([student, teacher]) == 4 * sum(map(estimation.parameters, (student, teacher)))


def test_activations_grow_with_the_batch_and_hold_no_parameters(bert, rows):
    distiller = build_distiller(RECIPES["logits"].stages[0], bert(seed=1, layers=2), bert())
    sizes = [estimation.probe_step(distiller, rows, PaddingCollator(0), batch).activation_bytes for batch in (2, 4)]
    assert 1.8 < sizes[1] / sizes[0] < 2.2


def test_the_probe_changes_neither_weights_nor_random_state(bert, rows):
    distiller = build_distiller(RECIPES["tinybert"].stages[0], bert(seed=1, layers=2), bert())
    before = {name: tensor.clone() for name, tensor in distiller.state_dict().items()}
    state = torch.get_rng_state()
    step = estimation.probe_step(distiller, rows, PaddingCollator(0), 8)
    assert step.seconds > 0 and step.activation_bytes > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in distiller.state_dict().items())
    assert all(parameter.grad is None for parameter in distiller.parameters())


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (600, "10 min")])
def test_is_said_in_one_line(seconds, text):
    assert (
        estimation.Cost(seconds, 2 * 10**9, 5 * 10**8).describe()
        == f"about {text} of training, 2.0 GB of memory, 0.50 GB of disk"
    )
