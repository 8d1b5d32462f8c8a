"""`python -m benchmarks.panel`: students against their controls, and recipes against each other, on several tasks.

Student and control start from the same weights and take the same number of steps; the difference is the teacher and,
where the recipe has noise, the changed texts that only a teacher can label. Recipes share teacher, start and number
of steps. Runs `distill.run` for each task and recipe (an interrupted panel goes on where it was), then writes one row
for each seed to a CSV file, a summary and an overview beside it, and prints the paired comparison.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.panel_rows import overview, panel_rows, share_controls, summary
from benchmarks.recorded_commands import without_root
from distill.recipes import RECIPES
from pocketbert import command
from pocketbert.errors import UserError, unknown
from pocketbert.files import read_json, write_csv

TASKS: dict[str, tuple[str, ...]] = {
    "sst2-2000": ("--data", "{root}/sst2", "--labelled-rows", "2000"),
    "sts": ("--data", "{root}/sts"),
    "mrpc": ("--data", "{root}/mrpc", "--metric", "f1"),
    # After three passes this teacher is hardly better than chance.
    "cola": ("--data", "{root}/cola", "--metric", "matthews", "--teacher-set", "epochs=8"),
}
STEPS = {"sst2-2000": 1200, "sts": 560, "mrpc": 250, "cola": 600}
"""Shared by the stages of a recipe; three seeds of all tasks take under three hours of one core."""
console = Console(soft_wrap=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def panel(
    root: Annotated[Path, typer.Argument(help="Folder with sst2, cola, mrpc and sts.")],
    results: Annotated[Path, typer.Option(help="CSV file to write, with -summary and -overview beside it.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/panel"),
    tasks: Annotated[list[str] | None, typer.Option("--task", help="Only these tasks.")] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe", help="Recipes, also with options ('tinybert --augment 4'); the first is compared with."
        ),
    ] = None,
    control: Annotated[bool, typer.Option(help="Train the first recipe's control too.")] = True,
    seeds: Annotated[int, typer.Option(help="Seeds per task.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Tasks to run side by side, sharing the cores.")] = 1,
    effort: Annotated[float, typer.Option(min=0.01, help="Share of the usual number of steps.")] = 1.0,
    options: Annotated[str, typer.Option(help="More options for every run, as one text.")] = "",
) -> None:
    """Run the panel, write its rows, print the comparison."""
    chosen = _known("task", tasks or list(TASKS), TASKS)
    methods = [Method(text) for text in dict.fromkeys(recipes or ["logits"])]
    _known("recipe", [method.recipe for method in methods], RECIPES)
    extra = ["--seeds", str(seeds), *command.split("--options", options)]

    def run_task(task: str) -> list[str]:
        """Run one recipe after the other, since they share the teacher that the first one trains."""
        failed = []
        for number, method in enumerate(methods):
            arguments = [*_arguments(task, method, root, effort), *extra, *["--control"] * (control and number == 0)]
            if _run(method.folder(out, task), arguments, jobs):
                failed.append(method.folder(out, task).name)
        return failed

    with ThreadPoolExecutor(jobs) as pool:
        failed = [run for runs in pool.map(run_task, chosen) for run in runs]
    if failed:
        raise UserError(f"no panel: {', '.join(failed)} failed, as said above or in {out}/TASK-RECIPE.log.")
    rows = [
        row
        for task in chosen
        for method in methods
        for row in panel_rows(task, read_json(method.folder(out, task) / "run.json"), method.text)
    ]
    share_controls(rows)
    for row in rows:
        row["command"] = without_root(row["command"], root)
    lines = summary(rows)
    write_csv(results, rows)
    write_csv(results.with_name(f"{results.stem}-summary{results.suffix}"), lines)
    write_csv(results.with_name(f"{results.stem}-overview{results.suffix}"), overview(rows))
    console.print(_table(lines))


def _known(kind: str, given: Sequence[str], known: Mapping[str, Any]) -> list[str]:
    wrong = [name for name in given if name not in known]
    if wrong:
        raise unknown(kind, wrong[0], known)
    return list(dict.fromkeys(given))


class Method:
    """A recipe, perhaps with options of `distill.run`, as the command line has it."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.recipe, *self.options = shlex.split(text)
        except ValueError:
            raise UserError(f"--recipe '{text}': write a recipe's name, perhaps with options after it.") from None

    def folder(self, out: Path, task: str) -> Path:
        """Return the folder of its run on a task."""
        return out / re.sub(r"[^A-Za-z0-9.=]+", "-", f"{task}-{self.text}")


def _arguments(task: str, method: Method, root: Path, effort: float = 1.0) -> list[str]:
    steps = max(1, round(STEPS[task] * effort) // len(RECIPES[method.recipe].stages))
    data = [part.format(root=root) for part in TASKS[task]]
    return [*data, "--recipe", method.recipe, *method.options, "--set", f"training.max_steps={steps}"]


def _run(folder: Path, arguments: Sequence[str], jobs: int) -> int:
    """Run one task; side by side with others its output goes to a file, and it has its share of the cores."""
    command_line = [sys.executable, "-m", "distill.run", *arguments, "--out", str(folder)]
    console.print(f"{folder.name}: python {shlex.join(command_line[1:])}")
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


def _table(lines: Sequence[Mapping[str, str]]) -> Table:
    table = Table(*(name.replace("_", " ") for name in lines[0]))
    for line in lines:
        table.add_row(*(escape(cell) for cell in line.values()))
    return table


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.panel")
