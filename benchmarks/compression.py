"""`python -m benchmarks.compression RUN`: what chains of compression make of one trained student, in one table."""

import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import datasets
import torch
import typer
from filelock import FileLock
from rich.console import Console
from rich.progress import Progress
from transformers.utils import logging as transformers_logging

from benchmarks.measuring import LatencyRow, measure
from benchmarks.model_latency import milliseconds
from benchmarks.ratios import speed
from distill import pipeline
from distill.compression.chain import Chain, carry_out, check_chain
from distill.compression.plan import parse_chain
from distill.config import CONFIG_FILE, LOCK, RunConfig, take_folder
from distill.preparation import Run, prepare
from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_csv
from pocketbert.machine import commit, processor
from pocketbert.validation import validated

TEACHER, BEFORE = "teacher fp32", "0 before"
Row = dict[str, str | int]
DETAILS = {
    "of the start's bytes",
    "note",
    "seconds of the chain",
    "command",
    "rounds",
    "training threads",
    "threads",
    "unlabelled rows",
    "since the step before",
}
"""What an overview leaves out."""
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
console = Console(soft_wrap=True, markup=False, highlight=False)


@app.command()
def compression(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run of distill.run.")],
    chains: Annotated[list[str], typer.Option("--chain", help="As --compress takes it; several times.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    *,
    lengths: Annotated[list[int] | None, typer.Option("--length", help="Default: 32 and 128.")] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Of measuring, in turn.")] = 12,
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime.")] = 1,
) -> None:
    """Carry out each chain for each of the run's students, and measure all files of a seed in turn."""
    steps = {text: parse_chain(text) for text in chains}
    config = _config(folder)
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    lock = FileLock(folder / LOCK)
    run = prepare(config, folder)
    for each in steps.values():
        check_chain(run, each)
    take_folder(folder, config, run.inputs, lock)
    pipeline.ready_teachers(run)
    pipeline.start_student(run)
    start = {name: tensor.detach().clone() for name, tensor in run.student.state_dict().items()}
    rows: list[Row] = []
    for seed in range(config.seed, config.seed + config.seeds):
        trained = pipeline.train_student(run, start, seed)
        found, seconds = {}, {}
        for text, each in steps.items():
            begin = time.perf_counter()
            place = folder / f"seed-{seed}" / "chains" / re.sub(r"[^A-Za-z0-9.=]+", "-", text)
            latency = partial(milliseconds, threads, rounds, max(lengths or [128]))
            found[text] = carry_out(run, each, trained, "student", latency, 1.0, console.print, place)
            seconds[text] = time.perf_counter() - begin
        files = _files(run, found)
        measured = _measured(files, lengths or [32, 128], rounds, threads)
        facts: Row = {
            "seed": seed, "threads": threads, "rounds": rounds, "training threads": torch.get_num_threads(),
            "processor": processor(), "commit": commit() or "", "student": run.student_name,
            "command": shlex.join(["python", "-m", "benchmarks.compression", *sys.argv[1:]]),
        }  # fmt: skip
        rows += [row | facts for text, chain in found.items() for row in _rows(text, chain, measured, seconds[text])]
        write_csv(results, rows)
        write_csv(results.with_name(f"{results.stem}-overview{results.suffix}"), overview(rows))
    for row in rows:
        console.print("; ".join(f"{name}: {value}" for name, value in row.items()))


def overview(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with what decides alone, and the model before a chain once."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        short = {name: value for name, value in row.items() if name not in DETAILS and not name.endswith(" at 32")}
        if row["after"] == BEFORE:
            short["chain"] = ""
            if any(all(each[name] == short[name] for name in ("after", "student", "seed")) for each in kept):
                continue
        kept.append(short)
    return kept


def _config(folder: Path) -> RunConfig:
    """Return a run's settings, without a chain of its own.

    Raises:
        UserError: it is no run's folder.
    """
    try:
        document = read_json(folder / CONFIG_FILE)
        document.pop("inputs")
    except (OSError, ValueError, KeyError, AttributeError):
        raise UserError(f"{folder} holds no run: give the folder of a finished python -m distill.run.") from None
    document["compress"] = None  # a chain of its own is none of the student's
    return validated(RunConfig, document)


def _files(run: Run, chains: dict[str, Chain]) -> dict[str, Path]:
    """Return all files under names of their own: the teacher's, the student's before any step, and after each."""
    files = {TEACHER: run.folder / "teacher-onnx" / "model-fp32.onnx"}
    for text, chain in chains.items():
        files |= {_name(text, name): path for name, path in chain.files.items()}
    return {name: path for name, path in files.items() if path.is_file()}


def _name(text: str, name: str) -> str:
    return f"{text} | {name}"


def _measured(
    files: dict[str, Path], lengths: Sequence[int], rounds: int, threads: int
) -> dict[tuple[str, int], LatencyRow]:
    terminal = Console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task(f"measuring {len(files)} files")
        rows = measure(
            files, lengths, batch=1, threads=threads, rounds=rounds,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    return {(row.name, row.length): row for row in rows}


def _rows(text: str, chain: Chain, measured: dict[tuple[str, int], LatencyRow], seconds: float) -> list[Row]:
    """Return a row for the start and each step of a chain."""
    start = chain.kept[0].document
    lengths = sorted({length for _, length in measured})
    rows: list[Row] = []
    for kept in chain.kept:
        document, name = kept.document, _name(text, str(kept.document["name"]))
        row: Row = {
            "chain": text,
            "after": document["name"],
            "MB": f"{document['bytes'] / 1e6:.2f}",
            "of the start's bytes": f"{document['bytes'] / start['bytes']:.3f}",
        }
        for length in lengths:
            row[f"ms at {length}"] = f"{measured[name, length].p50_ms:.3f}"
            for against, other in (("start", _name(text, str(start["name"]))), ("teacher", TEACHER)):
                ratio = speed(measured[other, length], measured[name, length])
                interval = f"{ratio.ratio:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
                row[f"times as fast as the {against} at {length}"] = interval
        change, before = document["minus_start"], document["minus_before"]
        row |= {
            document["quality"]["metric"]: f"{100 * document['quality']['value']:.2f}",
            "since the start": _interval(change),
            "since the step before": _interval(before),
            "agreement with teacher %": _share(document["quality"]["agreement"]),
            "KL": _number(document["quality"]["kl"]),
            "unlabelled rows": document["unlabelled"]["rows"] if document["unlabelled"] else 0,
            "agreement there %": _share(document["unlabelled"] and document["unlabelled"]["agreement"]),
            "KL there": _number(document["unlabelled"] and document["unlabelled"]["kl"]),
            "note": document["note"],
            "seconds of the chain": f"{seconds:.0f}",
        }
        rows.append(row)
    return rows


def _interval(change: dict[str, float]) -> str:
    """Return a difference of the metric in points."""
    difference, low, high = (100 * change[name] for name in ("difference", "low", "high"))
    return f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.compression")
