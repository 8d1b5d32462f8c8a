"""Every recipe of the catalogue, in this process at smoke size: trains all it holds, reloads, resumes."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertForMaskedLM

from distill import stages
from distill.data.encoding import PaddingCollator
from distill.masking import Vocabulary
from distill.progressive_trainer import ProgressiveTrainer
from distill.recipes import RECIPES, Stage
from distill.stages import WEIGHTS, Conditions, check_progression, run_recipe, stage_weights
from pocketbert.errors import UserError
from tests.conftest import tiny_bert
from tests.distill.command import interrupted, untrained

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
    equal = {key for key in before if before[key].is_floating_point() and torch.equal(before[key], after[key])}
    assert equal <= untrained(RECIPES[name], before)
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
    equal = {key for key in before if before[key].is_floating_point() and torch.equal(before[key], after[key])}
    assert equal <= untrained(RECIPES[name], before)
    assert all(0 < result.history[-1]["loss"] < 100 for result in results)


@pytest.mark.parametrize(
    ("name", "last"), [(name, number) for name in RECIPES for number in range(1, len(RECIPES[name].stages) + 1)]
)
def test_a_resumed_run_equals_the_straight_one(name, last, bert, rows, tmp_path):
    """Killed in each stage, in the third pass over the rows, where a recipe with noise changes them."""
    straight, _ = _run(name, bert, rows, tmp_path / "straight")
    with interrupted(13, training=last - 1), pytest.raises(KeyboardInterrupt):
        _run(name, bert, rows, tmp_path / "killed")
    assert not stage_weights(_short(name), tmp_path / "killed").exists()
    resumed, results = _run(name, bert, rows, tmp_path / "killed")
    assert [result.resumed for result in results] == [number == last for number in range(1, len(results) + 1)]
    expected, got = straight.state_dict(), resumed.state_dict()
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert (tmp_path / "killed" / f"{last:02d}-{RECIPES[name].stages[last - 1].name}" / WEIGHTS).exists()


def test_layers_wait_for_their_turn(bert, rows, tmp_path):
    """After the first half of a progressive stage of a student of two layers, the second is as it was."""
    recipe = _short("mobilebert")
    transfer = recipe.stages[0]
    student = bert(seed=1, layers=2, hidden=16)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    seen = {}

    class Watching(ProgressiveTrainer):
        def training_step(self, *args, **kwargs):
            seen[self.state.global_step] = {name: tensor.clone() for name, tensor in student.state_dict().items()}
            return super().training_step(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "ProgressiveTrainer", Watching)
        run_recipe(
            recipe.model_copy(update={"stages": (transfer,)}),
            student,
            bert(),
            Conditions(rows, COLLATOR, 3, "t"),
            tmp_path,
        )
    second = [name for name in before if ".layer.1." in name]
    first = [name for name in before if ".layer.0.attention.self.query.weight" in name]
    assert all(torch.equal(seen[7][name], before[name]) for name in second)
    assert not any(torch.equal(seen[7][name], before[name]) for name in first)
    after = student.state_dict()
    moved = {name: (after[name] - seen[7][name]).abs().mean() for name in first}
    assert all(0 < moved[name] < (seen[7][name] - before[name]).abs().mean() for name in first), "slower from then on"
    assert not any(torch.equal(after[name], before[name]) for name in second if name.endswith("query.weight"))


def test_a_progressive_stage_needs_layerwise_objectives():
    with pytest.raises(UserError, match="soft_targets does not"):
        Stage(name="all", objectives={"feature_maps": {}, "soft_targets": {}}, progressive=True)


def test_a_progressive_stage_of_too_few_steps_is_refused():
    recipe = _short("mobilebert")
    check_progression(recipe, 14, 100)
    with pytest.raises(UserError, match="14 steps for 15 layers"):
        check_progression(recipe, 15, 100)
