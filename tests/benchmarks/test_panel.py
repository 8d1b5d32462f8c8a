from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.panel import app, comparison, panel_rows, summary, without_root
from pocketbert.errors import UserError
from tests.benchmarks.sample_run import classification_run


def test_a_row_for_each_seed():
    run = classification_run()
    run["quality"]["student_before_training"] = {"value": 0.5}
    run["environment"]["commit"] = "abc"
    rows = panel_rows("sst2", run)
    assert len(rows) == len(run["seeds"])
    assert rows[0]["difference"] == pytest.approx(rows[0]["student"] - rows[0]["control"])


def test_the_comparison_is_that_of_paired_differences():
    result = comparison([{"difference": value} for value in (0.01, 0.02, 0.03)])
    assert result["mean"] == pytest.approx(0.02)
    assert result["p_value"] == pytest.approx(0.0741799, rel=1e-5)


def test_the_summary_has_a_line_a_task_and_one_for_all():
    scores = {"teacher": 0.9, "before_training": 0.5, "control": 0.8, "metric": "f1", "steps": 4}
    rows = [
        {"task": task, "student": 0.8 + gain, "difference": gain, **scores}
        for task, gain in (("a", 0.01), ("a", 0.03), ("b", 0.01), ("b", 0.03))
    ]
    first, second, total = summary(rows)
    assert (
        first["student"] == "82.0" and first["steps"] == "4" and first["difference"].startswith("+2.0 [-10.7, +14.7]")
    )
    assert second["difference"].startswith("+2.0 [")
    # mean 0.02, standard deviation 0.011547, Student's t with 3 degrees of freedom: 3.182 * 0.011547 / 2 = 0.0184
    assert total["task"] == "all" and total["difference"] == "+2.0 [+0.2, +3.8], p 0.041"
    assert summary(rows[:1])[0]["difference"] == "+1.0"


@pytest.mark.slow
def test_tasks_that_fail_are_named_and_their_output_is_kept(tmp_path):
    arguments = [str(tmp_path / "nothing"), "--results", str(tmp_path / "panel.csv"), "--out", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, [*arguments, "--task", "sts", "--task", "mrpc", "--jobs", "2"])
    assert isinstance(result.exception, UserError)
    assert "sts, mrpc failed" in str(result.exception)
    assert "nothing/sts" in (tmp_path / "runs" / "sts.log").read_text()
    assert not (tmp_path / "panel.csv").exists()


@pytest.mark.parametrize("root", ["data", ".", "/tmp/data/"])
def test_the_folder_of_the_data_is_not_in_the_recorded_command(root):
    command = f"python -m distill.run --data {Path(root) / 'sst2'} --out runs/data"
    assert without_root(command, Path(root)) == "python -m distill.run --data DATA/sst2 --out runs/data"
