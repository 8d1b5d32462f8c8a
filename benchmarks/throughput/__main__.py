"""`python -m benchmarks.throughput`: texts a second of our engine and of peers on the same work, in one run."""

import os
import random
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.peers.environments import prepare
from benchmarks.throughput.driver import Driver, Visit
from benchmarks.throughput.engines import ENGINES, PEAK, TEXTBREWER
from benchmarks.throughput.rows import Row, rows_of
from benchmarks.throughput.task import sentences_for, write_task
from pocketbert import command
from pocketbert.errors import UserError, unknown
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor
from teachers.loading import load_teacher

WIDTH = 160
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def throughput(
    texts: Annotated[Path, typer.Option(help="A text a line, or a .tsv with a column 'sentence'.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    *,
    teacher: Annotated[str, typer.Option(help="Name or folder.")] = "minilm",
    student: Annotated[str, typer.Option(help="Name of the catalogue.")] = "tiny",
    size: Annotated[int, typer.Option(min=1, help="Texts a batch.")] = 32,
    most: Annotated[int, typer.Option(min=1, help="Texts that are read.")] = 8000,
    rounds: Annotated[int, typer.Option(min=2, help="How often each engine is visited.")] = 12,
    threads: Annotated[int, typer.Option(min=1, help="Of every library.")] = os.cpu_count() or 1,
    only: Annotated[list[str] | None, typer.Option(help="Words of an engine's name; may be repeated.")] = None,
    environment: Annotated[Path, typer.Option(help="TextBrewer's, made on first use.")] = Path("runs/env-textbrewer"),
) -> None:
    """Let all engines train in turn, some batches each, in processes that wait for one another."""
    engines = [each for each in ENGINES if not only or any(word in each.name for word in only)]
    if not engines:
        raise unknown("engine", (only or [""])[0], [each.name for each in ENGINES])
    cores = os.cpu_count() or 1
    if threads > cores:
        raise UserError(f"--threads {threads}: this machine has {cores} cores.")
    sentences = sentences_for(texts, most, size, student)
    python = Path()
    if any(each.kind == TEXTBREWER for each in engines):
        python = prepare(environment, TEXTBREWER)
    loaded = load_teacher(teacher, "classification", ["negative", "positive"])
    options = {"texts": texts.name, "results": results.name, "teacher": Path(teacher).name, "student": student}
    told = [f"--{name}={value}" for name, value in options.items()]
    told += [f"--size={size}", f"--most={most}", f"--rounds={rounds}", f"--threads={threads}"]
    told += [f"--only={words}" for words in only or ()]
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    facts: Row = {
        "texts a batch": size, "threads": threads, "OMP_WAIT_POLICY": policy, "processor": processor(),
        "commit": commit() or "", "command": shlex.join(["python", "-m", "benchmarks.throughput", *told]),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        work = write_task(Path(place), loaded.model, loaded.tokenizer, student, sentences, size)
        drivers = {
            each.name: stack.enter_context(Driver(each.name, each.command(Path(place), size, threads, python), threads))
            for each in (PEAK, *engines)
        }
        visits = _visits(drivers, {each.name: each.batches for each in (PEAK, *engines)}, rounds)
    rows = rows_of(engines, visits, work)
    write_csv(results, [row | facts for row in rows])
    _print(rows)


def _visits(drivers: dict[str, Driver], batches: dict[str, int], rounds: int) -> dict[str, list[Visit]]:
    """Visit all engines in turn, in a new order each round; the first visit of each warms it."""
    visits: dict[str, list[Visit]] = {name: [] for name in drivers}
    order = random.Random(0)  # noqa: S311  (an order, not a secret)
    terminal = Console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        for name in bar.track(drivers, description="warming"):
            drivers[name].train(batches[name])
        for _ in bar.track(range(rounds), description="measuring"):
            for name in order.sample(list(drivers), len(drivers)):
                visits[name].append(drivers[name].train(batches[name]))
    return visits


def _print(rows: Sequence[Row]) -> None:
    out = Console()
    out = out if out.is_terminal else Console(width=WIDTH)
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    out.print(table)


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.throughput")
