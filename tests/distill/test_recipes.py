import pytest
import yaml

from distill.noise import Noise
from distill.recipes import RECIPES, Recipe, Stage
from distill.recipes.loading import load_recipe, to_yaml
from pocketbert.errors import UserError


@pytest.mark.parametrize("name", RECIPES)
def test_a_printed_recipe_reads_back_the_same(name, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(RECIPES[name]))
    assert load_recipe(str(path)) == RECIPES[name]


@pytest.mark.parametrize("name", RECIPES)
def test_names_its_paper(name):
    assert "arXiv" in RECIPES[name].paper


@pytest.mark.parametrize("name", RECIPES)
def test_the_control_has_the_same_stages_and_gold_labels_alone(name):
    control = RECIPES[name].without_teacher()
    assert [stage.training for stage in control.stages] == [stage.training for stage in RECIPES[name].stages]
    assert all(list(stage.objectives) == ["hard_labels"] for stage in control.stages)


def test_weights_of_mobilebert_minilmv2_and_patient_are_those_of_their_files():
    transfer, prediction = (stage.objectives for stage in RECIPES["mobilebert-joint"].stages)
    assert {name: settings["weight"] for name, settings in transfer.items()} == {
        "feature_maps": 1.0, "attention_transfer": 1.0
    }  # fmt: skip
    parts = transfer["feature_maps"]
    assert (parts["mean"], parts["variance"]) == (50 * parts["distance"], 0.05 * parts["distance"])  # 5000 and 5 of 100
    assert prediction["soft_targets"]["weight"] == prediction["hard_labels"]["weight"] == 0.5
    assert [stage.objectives for stage in RECIPES["mobilebert"].stages] == [transfer, prediction]
    assert [stage.progressive for stage in RECIPES["mobilebert"].stages] == [True, False]
    assert RECIPES["mobilebert-auxiliary"].stages[0].objectives == transfer | prediction
    relations = RECIPES["minilmv2"].stages[0].objectives
    assert {settings["weight"] for settings in relations.values()} == {1 / 3}
    assert RECIPES["patient"].stages[0].objectives["patient_states"]["layers"] == "uniform"


def test_weights_of_distilbert_and_tinybert_are_the_papers():
    weights = {name: settings["weight"] for name, settings in RECIPES["distilbert"].stages[0].objectives.items()}
    assert weights == {"soft_targets": 5.0, "hard_labels": 2.0, "hidden_cosine": 1.0}
    assert RECIPES["distilbert"].stages[0].objectives["soft_targets"]["temperature"] == 2.0
    intermediate = RECIPES["tinybert"].stages[0].objectives
    assert {settings["weight"] for settings in intermediate.values()} == {1.0}


@pytest.mark.parametrize(
    ("assignment", "value", "read"),
    [
        ("training.epochs=5", 5, lambda r: r.stages[1].training.epochs),
        ("training.learning_rate=2e-5", 2e-5, lambda r: r.stages[0].training.learning_rate),
        ("stages.prediction.training.epochs=7", 7, lambda r: r.stages[1].training.epochs),
        ("objectives.hidden_mse.layers=[0, 1]", [0, 1], lambda r: r.stages[0].objectives["hidden_mse"]["layers"]),
        ("stages.0.objectives.hard_labels.weight=2", 2, lambda r: r.stages[0].objectives["hard_labels"]["weight"]),
        ("name=mine", "mine", lambda r: r.name),
    ],
)  # fmt: skip
def test_any_field_can_be_set(assignment, value, read):
    assert read(load_recipe("tinybert", [assignment])) == value


def test_a_stage_named_in_an_assignment_leaves_the_others_alone():
    recipe = load_recipe("tinybert", ["stages.prediction.training.epochs=7"])
    assert recipe.stages[0] == RECIPES["tinybert"].stages[0]


def test_weight_zero_removes_an_objective():
    recipe = load_recipe("logits", ["objectives.hard_labels.weight=0"])
    assert list(recipe.stages[0].objectives) == ["soft_targets"]


@pytest.mark.parametrize(
    ("source", "assignments", "message"),
    [
        ("tinybrt", [], "did you mean tinybert"),
        ("nothing.yaml", [], "can't be read"),
        ("logits", ["training.epoch=5"], r"there is no field stages\.0\.training\.epoch; --print-recipe"),
        ("logits", ["training.epochs=many"], r"epochs: .*got 'many'"),
        ("logits", ["training.batch_size=0"], "greater than 0"),
        ("logits", ["objectives.soft_target.weight=1"], "did you mean soft_targets"),
        ("logits", ["objectives.soft_targets.temperature=0"], "objective 'soft_targets': temperature: .*than 0"),
        ("logits", ["objectives.soft_targets.temperatur=1"], "objective 'soft_targets': .* did you mean temperature"),
        ("tinybert", ["stages.intermediate.objectives.hidden_mse.layers=sprad"], "layers: write spread, uniform"),
        ("tinybert", ["stages.intermediate.objectives.hidden_mse.layers=[0, -1]"], "or the teacher's layers from 0"),
        ("logits", ["stages.nowhere.training.epochs=1"], "NAME one of task, 0"),
        ("logits", ["training.epochs"], "field=value"),
        ("logits", ["training.epochs=[1"], "YAML"),
        ("logits", ["objectives.hard_labels.weight=0", "objectives.soft_targets.weight=0"], "at least one objective"),
    ],
)
def test_mistakes_are_one_line_that_names_the_field(source, assignments, message):
    with pytest.raises(UserError, match=message) as caught:
        load_recipe(source, assignments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["stages: [", "stages: 3", "stages: [1]", "just text", "- a\n- b", "!!python/object/apply:os.getcwd []"]
)
def test_files_that_are_no_recipe(text, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_recipe(str(path))
    assert "\n" not in str(caught.value)


def test_two_stages_can_not_share_a_name():
    document = RECIPES["tinybert"].model_dump()
    document["stages"][1]["name"] = "intermediate"
    with pytest.raises(UserError, match="share a name"):
        Recipe.model_validate(document)


def test_what_is_named_and_left_empty_is_the_default(tmp_path):
    (tmp_path / "short.yaml").write_text(
        "name: short\n"
        "stages: [{name: task, objectives: {soft_targets: {weight: null}, hard_labels: {weight: 2}}, training: null,\n"
        "          masking: {probability: null}}]\n"
    )
    (stage,) = load_recipe(str(tmp_path / "short.yaml")).stages
    assert {name: settings["weight"] for name, settings in stage.objectives.items()} == {
        "soft_targets": 1, "hard_labels": 2
    }  # fmt: skip
    assert stage.training == Stage(name="task", objectives={"hard_labels": {}}).training


def test_a_wrong_name_is_refused_though_it_is_empty(tmp_path):
    (tmp_path / "wrong.yaml").write_text(
        "name: a\nstages: [{name: b, objectives: {hard_labels: null}, progresive: }]\n"
    )
    with pytest.raises(UserError, match=r"there is no field stages\.0\.progresive"):
        load_recipe(str(tmp_path / "wrong.yaml"))


def test_yaml_is_plain(tmp_path):
    assert isinstance(yaml.safe_load(to_yaml(RECIPES["logits"])), dict)


def test_noise_is_set_without_naming_the_stage_and_switched_off():
    assert load_recipe("logits", ["noise.share=0.25"]).stages[0].noise == Noise(share=0.25)
    assert load_recipe("logits", ["stages.task.noise=null"]).stages[0].noise is None
    assert load_recipe("distilbert", ["noise.share=0.25"]).stages[0].noise == Noise(share=0.25)


def test_epochs_asked_for_are_not_raised_to_the_least_steps():
    assert RECIPES["logits"].stages[0].training.min_steps > 0
    assert load_recipe("logits", ["training.epochs=1"]).stages[0].training.min_steps == 0
    recipe = load_recipe("logits", ["stages.task.training.epochs=1", "training.min_steps=9"])
    assert recipe.stages[0].training.min_steps == 9
