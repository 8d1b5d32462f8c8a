"""`python -m benchmarks.panel`: distilled student against its control on several tasks and seeds.

Both start from the same weights and take the same number of steps; the difference is the teacher and, where the
recipe has noise, the changed texts that only a teacher can label. Runs
`distill.run` for each task (an interrupted panel goes on where it was), then writes one row per task and seed to a
CSV file, a summary beside it, and prints the paired comparison.
"""

import csv
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy import stats

from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import read_json

TASKS: dict[str, tuple[str, ...]] = {
    "sst2-2000": ("--data", "{root}/sst2", "--labelled-rows", "2000", "--set", "training.max_steps=1200"),
    "sts": ("--data", "{root}/sts", "--set", "training.max_steps=560"),
    "mrpc": ("--data", "{root}/mrpc", "--metric", "f1", "--set", "training.max_steps=250"),
    "cola": (
        *("--data", "{root}/cola", "--metric", "matthews", "--set", "training.max_steps=600"),
        *("--teacher-set", "epochs=8"),  # after three it is hardly better than chance
    ),
}
"""Fixed steps for each stage: three seeds of all tasks take under three hours of one core.

A recipe of two stages takes twice as many, and so does its control. `--options` come later and win, such as
`--set training.max_steps=400` for such a recipe."""
console = Console(soft_wrap=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def panel(
    root: Annotated[Path, typer.Argument(help="Folder with sst2, cola, mrpc and sts.")],
    results: Annotated[Path, typer.Option(help="CSV file to write, with a -summary beside it.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/panel"),
    tasks: Annotated[list[str] | None, typer.Option("--task", help="Only these tasks.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds per task.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Tasks to run side by side, sharing the cores.")] = 1,
    options: Annotated[str, typer.Option(help="More options for every run, as one text.")] = "",
) -> None:
    """Run the panel, write its rows, print the comparison."""
    chosen = list(dict.fromkeys(tasks or TASKS))
    for task in chosen:
        if task not in TASKS:
            raise UserError(f"unknown task '{task}': known: {', '.join(TASKS)}.")
    commands = {task: _arguments(task, root, out, seeds, options) for task in chosen}
    with ThreadPoolExecutor(jobs) as pool:
        codes = dict(zip(chosen, pool.map(lambda task: _run(out / task, commands[task], jobs), chosen), strict=True))
    failed = [task for task, code in codes.items() if code]
    if failed:
        raise UserError(f"no panel: {', '.join(failed)} failed, as said above or in {out}/TASK.log.")
    rows = [row for task in chosen for row in panel_rows(task, read_json(out / task / "run.json"))]
    for row in rows:
        row["command"] = without_root(row["command"], root)
    lines = summary(rows)
    _write(results, rows)
    _write(results.with_name(f"{results.stem}-summary{results.suffix}"), lines)
    console.print(_table(lines))


def without_root(command_line: str, root: Path) -> str:
    """Return a command with DATA for the folder that the data lie in."""
    parts = shlex.split(command_line)
    place = parts.index("--data") + 1
    parts[place] = str("DATA" / Path(parts[place]).relative_to(root))
    return shlex.join(parts)


def _arguments(task: str, root: Path, out: Path, seeds: int, options: str) -> list[str]:
    data = [part.format(root=root) for part in TASKS[task]]
    return [*data, "--seeds", str(seeds), "--control", "--out", str(out / task), *shlex.split(options)]


def _run(folder: Path, arguments: Sequence[str], jobs: int) -> int:
    """Run one task; side by side with others its output goes to a file, and it has its share of the cores."""
    console.print(f"{folder.name}: python -m distill.run {shlex.join(arguments)}")
    command_line = [sys.executable, "-m", "distill.run", *arguments]
    # Not checked here: the caller names every task that failed, once all are done.
    if jobs == 1:
        return subprocess.run(command_line, check=False).returncode  # noqa: S603  (a list, no shell)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    log = folder.with_name(f"{folder.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"{folder.name}: {threads} thread(s), its output goes to {log}")
    with log.open("a", encoding="utf-8") as stream:
        environment = os.environ | {"OMP_NUM_THREADS": threads}
        done = subprocess.run(  # noqa: S603  (a list, no shell)
            command_line, stdout=stream, stderr=stream, env=environment, check=False
        )
    console.print(f"{folder.name}: {'done' if done.returncode == 0 else f'failed with exit code {done.returncode}'}")
    return done.returncode


def panel_rows(task: str, run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per seed of a run's record; the int8 file is the first seed's."""
    environment = run["environment"]
    shared = {
        "task": task,
        "metric": run["data"]["metric"],
        "teacher": run["quality"]["teacher"]["value"],
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
            "control": seed["control"]["value"],
            "difference": seed["student"]["value"] - seed["control"]["value"],
            "int8": run["quality"].get("student_int8_onnx", {}).get("value", "") if number == 0 else "",
        }
        for number, seed in enumerate(run["seeds"])
    ]


def comparison(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Compare student and control over all rows, paired by task and seed.

    Returns:
        The mean difference, its 95 % interval and p-value by Student's t over the pairs; the tasks weigh the same
        because each has the same number of seeds.
    """
    differences = np.array([row["difference"] for row in rows])
    test = stats.ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(0.95)
    return {
        "mean": float(differences.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
        "p_value": float(test.pvalue),
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return a line a task, scores times 100 averaged over its seeds, and the paired comparison over all of them."""
    lines = []
    for task in dict.fromkeys(row["task"] for row in rows):
        mine = [row for row in rows if row["task"] == task]
        scores = {
            name: f"{100 * float(np.mean([row[name] for row in mine])):.1f}"
            for name in ("teacher", "before_training", "student", "control")
        }
        shared = {"task": task, "metric": str(mine[0]["metric"]), "steps": str(mine[0]["steps"])}
        lines.append(shared | scores | {"difference": _difference(mine)})
    if len(lines) > 1:
        lines.append(dict.fromkeys(lines[0], "") | {"task": "all", "difference": _difference(rows)})
    return lines


def _difference(rows: Sequence[Mapping[str, Any]]) -> str:
    if len(rows) == 1:
        return f"{100 * rows[0]['difference']:+.1f}"
    over = comparison(rows)
    interval = f"[{100 * over['low']:+.1f}, {100 * over['high']:+.1f}]"
    return f"{100 * over['mean']:+.1f} {interval}, p {over['p_value']:.3f}"


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _table(lines: Sequence[Mapping[str, str]]) -> Table:
    table = Table(*(name.replace("_", " ") for name in lines[0]))
    for line in lines:
        table.add_row(*(escape(cell) for cell in line.values()))
    return table


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.panel")
