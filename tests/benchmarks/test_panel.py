import pytest

from benchmarks.panel import comparison, panel_rows
from benchmarks.readme import fill, table
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


def test_results_go_between_their_marks(tmp_path):
    (tmp_path / "speed.csv").write_text('model,ms\n"tiny | int8",1.5\n')
    text = "before\n<!-- results:speed -->\nold\n<!-- /results:speed -->\nafter\n"
    filled = fill(text, tmp_path)
    between = "| model | ms |\n| --- | --- |\n| tiny \\| int8 | 1.5 |\n"
    assert filled == text.replace("old\n", between)
    assert fill(filled, tmp_path) == filled
    assert table(tmp_path / "speed.csv") in filled
