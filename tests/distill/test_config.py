import pytest

from distill.config import LOCK, RunConfig, check_folder, claim_folder, grown
from distill.recipes import RECIPES
from pocketbert.errors import UserError

INPUTS = {"data": "abc"}


def _config(**changes):
    return RunConfig(teachers=("minilm",), student="tiny", data="apidocs", recipe=RECIPES["logits"], **changes)


def test_the_same_settings_claim_the_folder_again(tmp_path):
    claim_folder(tmp_path / "run", _config(), INPUTS)
    claim_folder(tmp_path / "run", _config(), INPUTS)


def test_more_seeds_and_a_control_are_added_work(tmp_path):
    claim_folder(tmp_path / "run", _config(), INPUTS)
    claim_folder(tmp_path / "run", _config(seeds=3, control=True), INPUTS)


def test_other_settings_are_refused_and_named(tmp_path):
    claim_folder(tmp_path / "run", _config(), INPUTS)
    with pytest.raises(UserError, match=r"max_length: 128 there, 64 here.*--out"):
        claim_folder(tmp_path / "run", _config(max_length=64), INPUTS)


def test_a_field_deep_in_the_recipe_is_named(tmp_path):
    claim_folder(tmp_path / "run", _config(), INPUTS)
    other = RECIPES["logits"].model_copy(deep=True)
    other.stages[0].objectives["soft_targets"]["temperature"] = 9.0
    with pytest.raises(
        UserError, match=r"recipe\.stages\.0\.objectives\.soft_targets\.temperature: 2\.0 there, 9\.0 here"
    ):
        claim_folder(tmp_path / "run", _config().model_copy(update={"recipe": other}), INPUTS)


def test_a_lock_left_behind_is_nothing(tmp_path):
    (tmp_path / LOCK).touch()
    claim_folder(tmp_path, _config(), INPUTS)


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not empty"):
        claim_folder(tmp_path, _config(), INPUTS)


def test_a_damaged_config_is_said_so(tmp_path):
    claim_folder(tmp_path / "run", _config(), INPUTS)
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        claim_folder(tmp_path / "run", _config(), INPUTS)


def test_changed_content_behind_the_same_path_is_noticed(tmp_path):
    claim_folder(tmp_path / "run", _config(), INPUTS)
    with pytest.raises(UserError, match="the content of data changed"):
        claim_folder(tmp_path / "run", _config(), {"data": "other"})


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(UserError, match="can't be written"):
            check_folder(out, _config())


def test_seeds_and_control_that_are_there_are_not_taken_away(tmp_path):
    claim_folder(tmp_path / "run", _config(seeds=3, control=True), INPUTS)
    assert grown(_config(), tmp_path / "run") == _config(seeds=3, control=True)
    assert grown(_config(seeds=5), tmp_path / "run").seeds == 5
    assert grown(_config(), tmp_path / "other") == _config()


def test_a_weight_for_each_teacher_or_none():
    assert _config(teacher_weights=(2.0,)).teacher_weights == (2.0,)
    with pytest.raises(UserError, match="--teacher-weight is given 2 times and --teacher 1"):
        _config(teacher_weights=(1.0, 2.0))


@pytest.mark.parametrize("text", ['{"seeds": "x"}', '{"control": 3}', "[]"])
def test_values_of_another_kind_are_damage(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        grown(_config(), tmp_path)
