"""Every recipe of the catalogue, in this process at smoke size: trains all it holds, reloads, resumes."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertForMaskedLM

from distill.data.encoding import PaddingCollator
from distill.masking import Vocabulary
from distill.recipes import RECIPES
from distill.stages import WEIGHTS, Conditions, run_recipe, stage_weights
from distill.trainer import DistillTrainer
from tests.conftest import tiny_bert

COLLATOR = PaddingCollator(0)


def _short(name):
    recipe = RECIPES[name]
    stages = tuple(
        stage.model_copy(
            update={
                "training": stage.training.model_copy(update={"max_steps": 14, "batch_size": 8, "weight_decay": 0.0})
            }
        )
        for stage in recipe.stages
    )
    return recipe.model_copy(update={"stages": stages})


def _run(name, bert, rows, folder):
    student = bert(seed=1, layers=2, hidden=16)
    results = run_recipe(_short(name), student, bert(), Conditions(rows, COLLATOR, 3, "test"), folder)
    return student, results


@pytest.mark.parametrize("name", RECIPES)
def test_every_parameter_is_trained_and_kept(name, bert, rows, tmp_path):
    before = bert(seed=1, layers=2, hidden=16).state_dict()
    student, results = _run(name, bert, rows, tmp_path)
    after = student.state_dict()
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert not [key for key in before if before[key].is_floating_point() and torch.equal(before[key], after[key])]
    kept = load_file(stage_weights(_short(name), tmp_path))
    assert kept.keys() == after.keys()
    assert all(torch.equal(kept[key], after[key]) for key in kept)
    assert [result.steps for result in results] == [14] * len(RECIPES[name].stages)
    assert all(
        set(stage.objectives) <= result.history[-1].keys()
        for stage, result in zip(RECIPES[name].stages, results, strict=True)
    )


@pytest.mark.parametrize("name", RECIPES)
def test_every_parameter_of_a_language_model_is_trained(name, rows, tmp_path):
    torch.manual_seed(0)
    student, teacher = (BertForMaskedLM(tiny_bert(layers=n, hidden=h).config) for n, h in ((2, 16), (4, 32)))
    before = {key: tensor.clone() for key, tensor in student.state_dict().items()}
    words = Vocabulary(mask=4, special=(0, 1, 2, 3, 4), size=120, continues=torch.zeros(120, dtype=torch.bool))
    text = rows.select_columns(["input_ids", "length"])
    results = run_recipe(
        _short(name), student, teacher, Conditions(text, COLLATOR, 3, "test", vocabulary=words), tmp_path
    )
    after = student.state_dict()
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert not [key for key in before if before[key].is_floating_point() and torch.equal(before[key], after[key])]
    assert all(0 < result.history[-1]["loss"] < 100 for result in results)


@pytest.mark.parametrize("name", RECIPES)
def test_a_resumed_run_equals_the_straight_one(name, bert, rows, tmp_path, monkeypatch):
    """Killed in the last stage, in the third pass over the rows, where a recipe with noise changes them."""
    straight, _ = _run(name, bert, rows, tmp_path / "straight")
    real, last = DistillTrainer.training_step, len(RECIPES[name].stages)
    trainers = []

    def dying(self, *args, **kwargs):
        if self not in trainers:
            trainers.append(self)
        if len(trainers) == last and self.state.global_step == 13:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(DistillTrainer, "training_step", dying)
    with pytest.raises(KeyboardInterrupt):
        _run(name, bert, rows, tmp_path / "killed")
    monkeypatch.undo()
    assert not stage_weights(_short(name), tmp_path / "killed").exists()
    resumed, results = _run(name, bert, rows, tmp_path / "killed")
    assert results[-1].resumed
    expected, got = straight.state_dict(), resumed.state_dict()
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert (tmp_path / "killed" / f"{last:02d}-{RECIPES[name].stages[-1].name}" / WEIGHTS).exists()
