import pytest

from benchmarks.panel_rows import comparison, overview, panel_rows, share_controls, summary
from tests.benchmarks.sample_run import classification_run


def _record():
    run = classification_run()
    run["quality"]["student_before_training"] = {"value": 0.5}
    run["environment"]["commit"] = "abc"
    return run


def test_a_row_for_each_seed():
    run = _record()
    rows = panel_rows("sst2", run)
    assert len(rows) == len(run["seeds"])
    assert rows[0]["difference"] == pytest.approx(rows[0]["student"] - rows[0]["control"])


def test_without_a_control_its_columns_are_left_out():
    run = _record()
    for seed in run["seeds"]:
        seed["control"] = None
    rows = panel_rows("sst2", run)
    assert rows[0]["control"] == rows[0]["difference"] == ""
    assert not {"control", "difference"} & set(summary(rows)[0])


def test_the_comparison_is_that_of_paired_differences():
    result = comparison([0.01, 0.02, 0.03])
    assert result["mean"] == pytest.approx(0.02)
    assert result["p_value"] == pytest.approx(0.0741799, rel=1e-5)


def _rows(task, recipe, students, control=0.8):
    scores = {"teacher": 0.9, "before_training": 0.5, "metric": "f1", "steps": 4}
    return [
        {
            "task": task, "recipe": recipe, "seed": seed, "student": student,
            "control": control, "difference": student - control, **scores,
        }
        for seed, student in enumerate(students)
    ]  # fmt: skip


def test_the_summary_has_a_line_a_task_and_one_for_all():
    rows = _rows("a", "logits", (0.81, 0.83)) + _rows("b", "logits", (0.81, 0.83))
    first, second, total, means = summary(rows)
    assert first["student"] == "82.0" and first["steps"] == "4" and first["difference"].startswith("+2.0 [-10.7, +14.7")
    assert second["difference"].startswith("+2.0 [")
    # mean 0.02, standard deviation 0.011547, Student's t with 3 degrees of freedom: 3.182 * 0.011547 / 2 = 0.0184
    assert total["task"] == "all runs" and total["difference"] == "+2.0 [+0.2, +3.8], p 0.041"
    assert means["task"] == "all tasks' means" and means["difference"] == "+2.0"
    assert summary(rows[:1])[0]["difference"] == "+1.0"
    assert not any("against" in name for name in first)


def test_recipes_are_compared_with_the_first_by_task_and_seed():
    rows = _rows("a", "logits", (0.81, 0.83)) + _rows("a", "distilbert", (0.83, 0.86))
    rows += _rows("b", "logits", (0.70,)) + _rows("b", "distilbert", (0.69,))
    lines = {(line["task"], line["recipe"]): line for line in summary(rows)}
    assert lines["a", "logits"]["against logits"] == ""
    assert lines["a", "distilbert"]["against logits"].startswith("+2.5 [")
    assert lines["b", "distilbert"]["against logits"] == "-1.0"
    assert lines["all runs", "distilbert"]["against logits"].startswith("+1.3 [")  # (2 + 3 - 1) / 3
    assert lines["all tasks' means", "distilbert"]["against logits"].startswith("+0.7 [")  # (2.5 - 1) / 2 = 0.75


def test_a_control_is_shared_with_recipes_of_the_same_steps():
    rows = _rows("a", "logits", (0.81, 0.83), control=0.7)
    rows += _rows("a", "tinybert", (0.85, 0.86, 0.87), control=0.0)
    for row in rows[2:]:
        row["control"] = row["difference"] = ""
    rows[3]["steps"] = 5
    share_controls(rows)
    assert [row["control"] for row in rows] == [0.7, 0.7, 0.7, "", ""]  # seed 1 has other steps, seed 2 no control
    assert rows[2]["difference"] == pytest.approx(0.15)


def test_the_overview_has_a_line_a_recipe_below_what_it_is_compared_with():
    rows = _rows("a", "logits", (0.81, 0.83)) + _rows("b", "logits", (0.71, 0.73), control=0.7)
    rows += _rows("a", "distilbert", (0.83, 0.86))
    lines = {line["recipe"]: line for line in overview(rows)}
    assert list(lines) == ["teacher", "before training", "control", "logits", "distilbert"]
    assert [lines["control"][task] for task in ("a (f1)", "b (f1)")] == ["80.0", "70.0"]
    assert [lines["logits"][task] for task in ("a (f1)", "b (f1)")] == ["82.0", "72.0"]
    assert lines["distilbert"]["b (f1)"] == "" and lines["distilbert"]["runs"] == "2"
    assert lines["logits"]["difference"].startswith("+2.0 [") and lines["logits"]["against logits"] == ""
    assert lines["distilbert"]["against logits"].startswith("+2.5 [")


def test_a_control_is_shared_where_steps_differ_by_what_stages_leave_over():
    rows = _rows("a", "logits", (0.81,)) + _rows("a", "tinybert", (0.84,)) + _rows("a", "minilm", (0.84,))
    for row, steps in zip(rows, (200, 198, 197), strict=True):
        row["steps"] = steps
    for row in rows[1:]:
        row["control"] = row["difference"] = ""
    share_controls(rows)
    assert [row["control"] for row in rows] == [0.8, 0.8, ""]
