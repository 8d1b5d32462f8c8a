from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.panel import Method, _arguments, app
from pocketbert.errors import UserError


@pytest.mark.slow
def test_tasks_that_fail_are_named_and_their_output_is_kept(tmp_path):
    arguments = [str(tmp_path / "nothing"), "--results", str(tmp_path / "panel.csv"), "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, [*arguments, "--task", "sts", "--task", "mrpc", "--jobs", "2"])
    assert isinstance(result.exception, UserError)
    assert "sts-logits, mrpc-logits failed" in str(result.exception)
    assert "nothing/sts" in (tmp_path / "runs" / "sts-logits.log").read_text()
    assert not (tmp_path / "panel.csv").exists()


@pytest.mark.parametrize(("option", "name"), [("--task", "stss"), ("--recipe", "tinybrt"), ("--recipe", "'")])
def test_mistyped_names_are_told(tmp_path, option, name):
    result = CliRunner().invoke(app, [str(tmp_path), "--results", str(tmp_path / "panel.csv"), option, name])
    assert isinstance(result.exception, UserError)
    assert ("did you mean" if len(name) > 1 else "a recipe's name") in str(result.exception)


def test_stages_share_the_steps():
    one, two = (_arguments("cola", Method(recipe), Path("data"))[-1] for recipe in ("logits", "tinybert"))
    assert (one, two) == ("training.max_steps=600", "training.max_steps=300")
    assert _arguments("cola", Method("tinybert"), Path("data"), 0.5)[-1] == "training.max_steps=150"


def test_a_recipe_may_have_options_of_its_own():
    method = Method("tinybert --augment 4")
    assert method.folder(Path("runs"), "sts") == Path("runs/sts-tinybert-augment-4")
    assert _arguments("sts", method, Path("data"))[2:6] == ["--recipe", "tinybert", "--augment", "4"]
