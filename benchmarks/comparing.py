"""Checks and measures ONNX files against each other; needs onnxruntime, NumPy and rich alone."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.device import environment, refuse_emulation
from benchmarks.latency_tables import files_table, latency_table
from benchmarks.measuring import LENGTHS, fitting, measure
from benchmarks.opening import opening
from benchmarks.proof import Proven, proven_or_not
from pocketbert.errors import UserError
from pocketbert.files import write_json
from students.exporting.golden import GOLDEN

SCHEMA = 2
ROUNDS = 12
WIDTH = 1000
"""Most columns of the tables where they go to a file; they are as wide as they need."""


def compare(
    files: Sequence[Path],
    *,
    lengths: Sequence[int] = (),
    batch: int = 1,
    threads: Sequence[int] = (),
    rounds: int = ROUNDS,
    opened: bool = True,
    check: bool = False,
    json: Path | None = None,
) -> None:
    """Check files on the golden sentences beside them, measure those that pass, and print tables.

    Args:
        files: ONNX files; speeds are relative to the first.
        lengths: tokens a text; none: those of `LENGTHS` that all the files read.
        batch: texts a call.
        threads: within an operator; none: 1.
        rounds: how often each file is visited.
        opened: measure how files open, too.
        check: check alone, and time nothing.
        json: a file for rows, samples and environment.

    Raises:
        UserError: bad input, or a file fails on its golden sentences (after everything else is printed and written).
    """
    names = named(files)
    if json is not None:
        _check_writable(json)
    if not check:
        refuse_emulation()
    found = {name: proven_or_not(path) for name, path in names.items()}
    timed = {} if check else {name: path for name, path in names.items() if not found[name].failed}
    longest = min((each for name in timed if (each := found[name].longest) is not None), default=None)
    lengths, numbers = lengths or fitting(LENGTHS, longest), threads or (1,)
    terminal = Console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("measuring")
        rows = [] if not timed else measure(
            timed, lengths, batch=batch, threads=numbers, rounds=rounds,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    starts = {
        name: opening(path, max(lengths), batch=batch, threads=numbers[0]) for name, path in timed.items() if opened
    }
    out = Console()
    out = out if out.is_terminal else Console(width=WIDTH)  # in a file there is room for whole names
    if rows:
        out.print(latency_table(rows))
    out.print(files_table(found, starts))
    if json is not None:
        write_json(json, _document(rows, found, starts))
    _refuse(found, check=check)


def _refuse(found: Mapping[str, Proven], *, check: bool) -> None:
    """Raise UserError for the first file that fails, or that was to be checked and has nothing to be checked by."""
    for name, proof in found.items():
        if proof.problem is not None:
            raise UserError(proof.problem if name in proof.problem else f"{name}: {proof.problem}")
        if proof.failed:
            told = "" if check else ", and was not timed"
            raise UserError(f"{name} answers its golden sentences differently here{told}: see the table.")
    if check and (bare := [name for name, proof in found.items() if proof.golden is None]):
        raise UserError(f"{bare[0]} has no {GOLDEN} beside it, and was not checked: students.export writes one.")


def _document(rows: Sequence[Any], found: Mapping[str, Proven], starts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": environment(),
        "rows": [dataclasses.asdict(row) for row in rows],
        "files": [
            {"name": name, **dataclasses.asdict(proof), "failed": proof.failed}
            | {"opening": dataclasses.asdict(starts[name]) if name in starts else None}
            for name, proof in found.items()
        ],
    }


def named(files: Sequence[Path]) -> dict[str, Path]:
    """Name files as shortly as keeps them apart: file name, or else the path as given."""
    short = {path.name: path for path in files}
    names = short if len(short) == len(files) else {str(path): path for path in files}
    if len(names) < len(files):
        raise UserError("the same file is given twice")
    return names


def _check_writable(file: Path) -> None:
    place = next(path for path in (file, *file.absolute().parents) if path.exists())
    if file.is_dir() or not os.access(place, os.W_OK) or (place != file and not place.is_dir()):
        raise UserError(f"--json {file}: it can't be written ({place}); give another file.")
