"""How a changed model is trained back: by whom, for how long, and with what recipe."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from distill import pipeline
from distill.compression import recovery
from distill.compression.plan import BY_LABELS, Recovery
from distill.compression.recovery import TAUGHT_ROWS, recovery_recipe
from distill.recipes import RECIPES
from distill.recipes.schema import Recipe
from tests.distill.compression.conftest import ready, same_weights


def with_recipe(run, recipe):
    """Return a run that has another recipe."""
    return type(run)(**vars(run) | {"config": run.config.model_copy(update={"recipe": recipe})})


def objectives(recipe):
    (stage,) = recipe.stages
    return set(stage.objectives)


def test_the_runs_last_stage_is_taken_where_it_compares_answers(classifier):
    recipe = recovery_recipe(classifier.run, Recovery())
    assert objectives(recipe) == objectives(classifier.run.config.recipe)
    assert recipe.stages[0].training.max_steps == 30
    assert recipe.stages[0].training.learning_rate == 3e-3


@pytest.mark.parametrize("name", RECIPES)
def test_no_recovery_compares_layers(classifier, name):
    """A changed model may have other layers than any teacher; what the last stage says of training is kept."""
    run = with_recipe(classifier.run, RECIPES[name])
    recipe = recovery_recipe(run, Recovery(steps=7))
    assert objectives(recipe) <= {"soft_targets", "hard_labels", "mse_of_logits", "logits_mse"}
    assert not recipe.stages[0].progressive
    changed = {"max_steps", "learning_rate"}
    kept, last = recipe.stages[0].training, RECIPES[name].stages[-1].training
    assert kept.model_dump(exclude=changed) == last.model_dump(exclude=changed)
    assert kept.max_steps == 7


def test_steps_and_rate_are_the_users_and_rounds_share_the_steps(classifier):
    training = recovery_recipe(classifier.run, Recovery(steps=21, rate=5e-4), parts=4).stages[0].training
    assert (training.max_steps, training.learning_rate) == (5, 5e-4)
    assert recovery_recipe(classifier.run, Recovery(steps=1), parts=4).stages[0].training.max_steps == 1


def losses(folder):
    (path,) = folder.rglob("stage.json")
    return {name for entry in json.loads(path.read_text())["history"] for name in entry} - {
        *("stage", "step", "loss", "learning_rate")
    }


def test_a_model_learns_from_its_teacher_or_from_labels_alone(classifier, tmp_path):
    classifier.chain("prune:0.3:steps=4", tmp_path / "teacher")
    classifier.chain("prune:0.3:steps=4:recover=labels", tmp_path / "labels")
    chain = classifier.chain("prune:0.3:recover=none", tmp_path / "none")
    assert losses(tmp_path / "teacher") == {"soft_targets", "hard_labels"}
    assert losses(tmp_path / "labels") == {"hard_labels"}
    assert not list((tmp_path / "none").rglob("stage.json"))
    assert chain.kept[1].document["parameters"] < chain.kept[0].document["parameters"]


def test_a_control_never_asks_the_teacher(classifier, tmp_path, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("asked the teacher")

    monkeypatch.setattr(recovery, "answered", never)
    monkeypatch.setattr(pipeline, "_soft_targets", never)
    monkeypatch.setattr(classifier.run.answerer, "forward", never)
    text = "trim,factorise:8:steps=3,prune:0.3:steps=4:rounds=2,qat:steps=5"
    chain = classifier.chain(text, tmp_path / "control", role="control")
    assert [kept.document["name"].partition(" ")[2] for kept in chain.kept][1:] == text.split(",")
    steps = [json.loads(path.read_text())["steps"] for path in sorted((tmp_path / "control").rglob("stage.json"))]
    assert steps == [3, 2, 2, 5], "as many as the student's"
    with pytest.raises(AssertionError, match="asked the teacher"):
        classifier.chain("prune:0.3:steps=4", tmp_path / "student")


def test_a_recovery_does_not_depend_on_what_came_before_in_the_process(classifier, tmp_path):
    one = classifier.chain("prune:0.3:steps=6", tmp_path / "one")
    classifier.chain("factorise:8:steps=6", tmp_path / "other")
    two = classifier.chain("prune:0.3:steps=6", tmp_path / "two")
    assert same_weights(one.state.model, two.state.model)


def test_the_teacher_is_asked_about_as_many_rows_as_are_read(files, classifier, tmp_path):
    """Where the run itself has not stored its answers: a student that is its teacher."""
    run = ready(files, tmp_path / "run", student="teacher", teachers=(str(classifier.run.folder / "teacher"),))
    run.chain("prune:0.3:steps=4", tmp_path / "few")
    stored = load_file(tmp_path / "few" / TAUGHT_ROWS)["logits"]
    assert stored.shape == (4 * 16, 2)
    run.chain("prune:0.3:steps=11", tmp_path / "many")
    whole = load_file(tmp_path / "many" / TAUGHT_ROWS)["logits"]
    assert whole.shape == (160, 2), "no row twice"
    order = np.random.default_rng(run.run.config.seed).permutation(160)[:64]
    assert stored == pytest.approx(whole[order], abs=1e-5)


def test_a_teacher_distils_itself_back(files, classifier, tmp_path):
    run = ready(files, tmp_path / "run", student="teacher", teachers=(str(classifier.run.folder / "teacher"),))
    assert run.trained.stages == []
    assert run.trained.evaluation_logits == pytest.approx(run.run.teacher_logits, abs=1e-5)
    chain = run.chain("prune:0.5:steps=4", tmp_path / "chain")
    assert chain.kept[0].document["quality"]["agreement"] == 1.0
    assert chain.kept[1].document["bytes"] < chain.kept[0].document["bytes"]


def test_a_labelled_recovery_of_a_recipe_of_gold_labels(classifier):
    """Its steps are those that the student's recipe would have."""
    recipe = recovery_recipe(classifier.run, Recovery(BY_LABELS))
    assert isinstance(recipe, Recipe) and recipe.stages[0].training.max_steps == 30
