"""The rows of a panel, and what they say: each task's mean, and differences paired by task and seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

LEFT_OVER = 0.01
"""Share of its steps that a recipe may lack, or have more, and still be compared with a control."""
SCORES = ("teacher", "before_training", "student", "control")


def panel_rows(task: str, run: Mapping[str, Any], recipe: str | None = None) -> list[dict[str, Any]]:
    """Return one row per seed of a run's record; the int8 file is the first seed's.

    Args:
        task: its name in the panel.
        run: the record.
        recipe: what to call how it was made; by default the recipe's own name.
    """
    environment = run["environment"]
    shared = {
        "task": task,
        "recipe": recipe or run["recipe"]["name"],
        "metric": run["data"]["metric"],
        "teacher": run["quality"]["teacher"]["value"],
        "each_teacher": " ".join(f"{each['quality']['value']:.4f}" for each in run.get("teachers", [])),
        "before_training": run["quality"]["student_before_training"]["value"],
        "steps": sum(stage["steps"] for stage in run["seeds"][0]["stages"]),
        "processor": environment["processor"],
        "threads": environment["threads"],
        "torch": environment["torch"],
        "commit": environment["commit"],
        "command": run["command"],
    }
    return [
        {
            **shared,
            "seed": seed["seed"],
            "student": seed["student"]["value"],
            "control": seed["control"]["value"] if seed["control"] else "",
            "difference": seed["student"]["value"] - seed["control"]["value"] if seed["control"] else "",
            "int8": run["quality"].get("student_int8_onnx", {}).get("value", "") if number == 0 else "",
        }
        for number, seed in enumerate(run["seeds"])
    ]


def share_controls(rows: Sequence[dict[str, Any]]) -> None:
    """Compare rows without a control of their own with that of another recipe, of the same task, seed and steps.

    Steps that do not divide by the number of stages may differ by what is left over.
    """
    with_control = [row for row in rows if row["control"] != ""]
    for row in rows:
        if row["control"] == "":
            like = [each for each in with_control if _comparable(each, row)]
            if like:
                nearest = min(like, key=lambda each: abs(each["steps"] - row["steps"]))
                row["control"] = nearest["control"]
                row["difference"] = row["student"] - row["control"]


def _comparable(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    same = (one["task"], one["seed"]) == (other["task"], other["seed"])
    return same and abs(one["steps"] - other["steps"]) <= LEFT_OVER * one["steps"]


def comparison(differences: Sequence[float]) -> dict[str, float]:
    """Test paired differences against 0.

    Returns:
        Their mean, its 95 % interval and p-value by Student's t over the pairs; tasks weigh the same where each has
        the same number of seeds.
    """
    test = stats.ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(0.95)
    return {
        "mean": float(np.mean(differences)),
        "low": float(interval.low),
        "high": float(interval.high),
        "p_value": float(test.pvalue),
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a line for each task and recipe, and two for each recipe over all tasks.

    The one over all runs counts seeds of a task as independent, though they share a teacher and a start; the one over
    the tasks' means does not, and has few values.

    Scores are times 100, averaged over the seeds. `difference` is to the control; the column named after the first
    recipe is each other recipe's difference to it, paired by task and seed. Columns without a value are left out.
    """
    first = rows[0]["recipe"]
    students = {(row["task"], row["seed"]): row["student"] for row in rows if row["recipe"] == first}
    lines = []
    for task, recipe in dict.fromkeys((row["task"], row["recipe"]) for row in rows):
        mine = [row for row in rows if (row["task"], row["recipe"]) == (task, recipe)]
        scores = {name: _mean([row[name] for row in mine if row[name] != ""]) for name in SCORES}
        shared = {"task": task, "metric": str(mine[0]["metric"]), "recipe": recipe, "steps": str(mine[0]["steps"])}
        lines.append(shared | scores | _differences(mine, students, first))
    if len({line["task"] for line in lines}) > 1:
        for recipe in dict.fromkeys(row["recipe"] for row in rows):
            mine = [row for row in rows if row["recipe"] == recipe]
            blank = dict.fromkeys(lines[0], "")
            lines.append(blank | {"task": "all runs", "recipe": recipe} | _differences(mine, students, first))
            means = _differences(mine, students, first, by_task=True)
            lines.append(blank | {"task": "all tasks' means", "recipe": recipe} | means)
    used = [name for name in lines[0] if any(line[name] for line in lines)]
    return [{name: line[name] for name in used} for line in lines]


def overview(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a line for each recipe with its mean score on each task, below those of what it is compared with.

    Scores are times 100; the differences are over all its runs, as in `summary`.
    """
    first, tasks = rows[0]["recipe"], list(dict.fromkeys(row["task"] for row in rows))
    students = {(row["task"], row["seed"]): row["student"] for row in rows if row["recipe"] == first}

    def scores(chosen: Sequence[Mapping[str, Any]], name: str) -> dict[str, str]:
        return {
            f"{task} ({next(row['metric'] for row in rows if row['task'] == task)})": _mean(
                [row[name] for row in chosen if row["task"] == task and row[name] != ""]
            )
            for task in tasks
        }

    ours = [row for row in rows if row["recipe"] == first]
    nothing = {"runs": "", "difference": "", f"against {first}": ""}
    lines = [
        {"recipe": name.replace("_", " ")} | scores(ours, name) | nothing
        for name in ("teacher", "before_training", "control")
    ]
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        mine = [row for row in rows if row["recipe"] == recipe]
        runs = {"runs": str(len(mine))}
        lines.append({"recipe": recipe} | scores(mine, "student") | runs | _differences(mine, students, first))
    return lines


def _differences(
    rows: Sequence[Mapping[str, Any]],
    students: Mapping[tuple[str, int], float],
    first: str,
    *,
    by_task: bool = False,
) -> dict[str, str]:
    to_first = [
        (row["task"], row["student"] - students[row["task"], row["seed"]])
        for row in rows
        if row["recipe"] != first and (row["task"], row["seed"]) in students
    ]
    to_control = [(row["task"], row["difference"]) for row in rows if row["difference"] != ""]
    values = _means if by_task else _values
    return {"difference": _in_words(values(to_control)), f"against {first}": _in_words(values(to_first))}


def _values(found: Sequence[tuple[str, float]]) -> list[float]:
    return [value for _, value in found]


def _means(found: Sequence[tuple[str, float]]) -> list[float]:
    return [
        float(np.mean([value for task, value in found if task == name])) for name in dict.fromkeys(t for t, _ in found)
    ]


def _mean(values: Sequence[float]) -> str:
    return f"{100 * float(np.mean(values)):.1f}" if values else ""


def _in_words(differences: Sequence[float]) -> str:
    if not differences:
        return ""
    if np.allclose(differences, differences[0], rtol=1e-9):  # one, or no spread to judge by
        return f"{100 * differences[0]:+.1f}"
    over = comparison(differences)
    interval = f"[{100 * over['low']:+.1f}, {100 * over['high']:+.1f}]"
    return f"{100 * over['mean']:+.1f} {interval}, p {over['p_value']:.3f}"
