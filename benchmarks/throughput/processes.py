"""`python -m benchmarks.throughput.processes`: what further processes of a run add, at fixed work for each."""

import os
import random
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.talking import QUIET
from benchmarks.throughput.driver import Driver
from benchmarks.throughput.engines import ASKED, OURS, Engine
from benchmarks.throughput.task import sentences_for, write_task
from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor
from teachers.loading import load_teacher

BATCHES = 8
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def processes(
    texts: Annotated[Path, typer.Option(help="A text a line, or a .tsv with a column 'sentence'.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    *,
    teacher: Annotated[str, typer.Option(help="Name or folder.")] = "minilm",
    student: Annotated[str, typer.Option(help="Name of the catalogue.")] = "tiny",
    count: Annotated[int, typer.Option(min=2, help="Processes that are compared with one.")] = 2,
    size: Annotated[int, typer.Option(min=1, help="Texts a batch of each process.")] = 32,
    most: Annotated[int, typer.Option(min=1, help="Texts that are read.")] = 8000,
    rounds: Annotated[int, typer.Option(min=2, help="How often each is visited.")] = 12,
    threads: Annotated[int, typer.Option(min=1, help="Of each process.")] = 1,
    asked: Annotated[bool, typer.Option(help="Also with the teacher asked in every step.")] = True,
) -> None:
    """Let one process and several train in turn, each on as many texts a step as the one (gradients through gloo)."""
    cores = os.cpu_count() or 1
    if count * threads > cores:
        raise UserError(f"--count {count} with --threads {threads} needs {count * threads} cores; here are {cores}.")
    sentences = sentences_for(texts, most, size * count, student)
    loaded = load_teacher(teacher, "classification", ["negative", "positive"])
    facts = {
        "texts a batch": size, "threads a process": threads, "cores": cores, "processor": processor(),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", ""), "torch": torch.__version__, "commit": commit() or "",
        "command": shlex.join(["python", "-m", "benchmarks.throughput.processes", *sys.argv[1:]]),
    }  # fmt: skip
    rows = []
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        write_task(Path(place), loaded.model, loaded.tokenizer, student, sentences, size)
        for engine in (OURS, ASKED)[: 1 + asked]:
            words = engine.command(Path(place), size, threads, Path())
            one = stack.enter_context(Driver(f"{engine.name}, one process", words, threads))
            one.train(BATCHES)  # before the others come, who find the cache that it has written
            all_of_them = stack.enter_context(_several(engine, words, count, threads))
            all_of_them.train(BATCHES)
            rows.append(_row(engine, _rounds(one, all_of_them, rounds), count) | facts)
    write_csv(results, rows)
    out = Console(soft_wrap=True)
    for row in rows:
        out.print("; ".join(f"{key}: {value}" for key, value in row.items()))


@contextmanager
def _several(engine: Engine, words: Sequence[str], count: int, threads: int) -> Iterator[Driver]:
    """Start several processes of one training; the first is talked with, the others go as it goes."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    environments = [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    with Driver(f"{engine.name}, {count} processes", words, threads, environments[0]) as first:
        others = [_follower(words, threads, environment) for environment in environments[1:]]
        try:
            yield first
        finally:
            for other in others:
                other.kill()
                other.wait()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def _follower(words: Sequence[str], threads: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  (a list, no shell)
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | QUIET | {"OMP_NUM_THREADS": str(threads)} | dict(environment),
    )


def _rounds(one: Driver, several: Driver, rounds: int) -> list[tuple[float, float]]:
    """Visit both in turn, in a new order each round; return the texts a second of a process of each."""
    order = random.Random(0)  # noqa: S311  (an order, not a secret)
    found = []
    for _ in track(range(rounds), description="measuring", console=Console(stderr=True), transient=True):
        drawn = order.sample((one, several), 2)
        speeds = {driver: driver.train(BATCHES).speed for driver in drawn}
        found.append((speeds[one], speeds[several]))
    return found


def _row(engine: Engine, speeds: Sequence[tuple[float, float]], count: int) -> dict[str, str | int]:
    ratios = [several * count / one for one, several in speeds]
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "engine": engine.name,
        "processes": count,
        "texts a second, one": f"{statistics.median(one for one, _ in speeds):.0f}",
        f"texts a second, all {count}": f"{statistics.median(count * each for _, each in speeds):.0f}",
        "times as fast as one": f"{statistics.median(ratios):.2f}",
        "middle half of the rounds": f"{low:.2f} to {high:.2f}",
        "rounds": len(speeds),
    }


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.throughput.processes")
