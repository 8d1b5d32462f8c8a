import subprocess
import sys

import pytest

from distill.recipe_names import RECIPE_NAMES, check_recipe
from distill.recipes import RECIPES
from pocketbert.errors import UserError
from tests.distill.command import ROOT


def test_they_are_those_of_the_recipes():
    assert list(RECIPE_NAMES) == list(RECIPES)


def test_a_name_or_what_may_be_a_file_passes(tmp_path):
    (tmp_path / "mine").touch()
    for source in (*RECIPE_NAMES, "mine.yaml", str(tmp_path / "mine")):
        check_recipe(source)


@pytest.mark.parametrize("source", ["tinybrt", "", "TINYBERT"])
def test_a_mistyped_name_is_told(source):
    with pytest.raises(UserError, match="unknown recipe"):
        check_recipe(source)


def test_it_is_told_before_anything_slow_is_imported():
    code = (
        "import sys; sys.modules.update(torch=None, transformers=None, datasets=None); "
        "sys.argv = ['x', '--recipe', 'tinybrt']; from distill.run import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean tinybert" in done.stderr
