"""Latency of ONNX files, interleaved: `python -m benchmarks.latency FILE… [--length 32] [--json PATH]`."""

import dataclasses
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import onnxruntime
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import write_json
from pocketbert.machine import processor
from students.exporting.running import check_length, open_session

LENGTHS = (16, 32, 64, 128)
SHORTEST_SAMPLE = 0.002
"""Seconds. A call shorter than this is repeated, and the mean of the calls is the sample."""

WARM_UP_CALLS = 3
MOST_SAMPLES_A_ROUND = 5
BUDGET = 25.0
"""Seconds for all the samples; slow models get fewer samples a round, but at least one."""

WIDTH = 200
"""Columns of the table where it goes to a file."""

SAFE_VOCABULARY = 100
"""Ids are drawn below this where a file does not say how large its vocabulary is."""

Feed = dict[str, npt.NDArray[np.int64]]


@dataclasses.dataclass(frozen=True)
class LatencyRow:
    """The latency of one file at one length.

    Attributes:
        name: the file's name, as given to `measure`.
        length: tokens a text, without padding.
        batch: texts a call.
        threads: threads within an operator.
        p50_ms: median time of a call in milliseconds.
        p95_ms: 95th percentile of the samples in milliseconds.
        fastest_ms: the fastest sample, which other work on the machine hardly changes.
        samples: how many samples there are.
        calls_per_sample: a sample is the mean of so many calls, so that it lasts at least 2 ms.
    """

    name: str
    length: int
    batch: int
    threads: int
    p50_ms: float
    p95_ms: float
    fastest_ms: float
    samples: int
    calls_per_sample: int


class _Cell:
    """One file at one length, ready to be called again and again."""

    def __init__(self, name: str, session: onnxruntime.InferenceSession, length: int, batch: int) -> None:
        self.name, self.length = name, length
        self._session, self._feed = session, feed(session, length, batch)
        self.samples: list[float] = []
        self.calls = 1
        try:
            times = [self.sample() for _ in range(WARM_UP_CALLS)]
        except Exception as error:  # onnxruntime's errors share no public base class
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{name} cannot run at length {length}, batch {batch}: {reason}") from error
        self.calls = max(1, round(0.5 + SHORTEST_SAMPLE / min(times)))

    def sample(self) -> float:
        """Return the mean time of `calls` calls in seconds."""
        begin = time.perf_counter()
        for _ in range(self.calls):
            self._session.run(None, self._feed)
        return (time.perf_counter() - begin) / self.calls


def measure(
    files: Mapping[str, Path],
    lengths: Sequence[int] = LENGTHS,
    *,
    batch: int = 1,
    threads: int = 1,
    rounds: int = 12,
    progress: Callable[[int, int], None] | None = None,
) -> list[LatencyRow]:
    """Measure ONNX files against each other in one run.

    Every round visits every file at every length in a new random order, so that whatever else the machine
    does falls on all of them alike: the ratios between rows hold, the milliseconds only on a quiet machine.
    Threads that wait do not spin (they would steal the core from the next file's turn).

    Args:
        files: ONNX classifiers by name.
        lengths: tokens a text; the ids are random, from a fixed seed, within the vocabulary.
        batch: texts a call.
        threads: threads within an operator.
        rounds: how often every file is visited; up to 5 samples a visit, fewer for slow models (25 s in all).
        progress: called with visits done and visits in all.

    Returns:
        A row for each file and length, in the order given.

    Raises:
        UserError: nothing to measure, a number below 1, a file that cannot be loaded or run at a length.
    """
    _check(files, lengths, batch, threads, rounds)
    sessions = {name: open_session(path, threads) for name, path in files.items()}
    for name, session in sessions.items():
        check_length(session, name, max(lengths))
    cells = [_Cell(name, session, length, batch) for name, session in sessions.items() for length in lengths]
    visits = _samples_a_visit(cells, rounds)
    order = random.Random(0)  # noqa: S311  (an order, not a secret)
    for number in range(rounds):
        for done, cell in enumerate(order.sample(cells, len(cells)), start=1):
            cell.sample()
            cell.samples += [cell.sample() for _ in range(visits)]
            if progress is not None:
                progress(number * len(cells) + done, rounds * len(cells))
    return [_row(cell, batch, threads) for cell in cells]


def _check(files: Mapping[str, Path], lengths: Sequence[int], batch: int, threads: int, rounds: int) -> None:
    if not files or not lengths:
        raise UserError("nothing to measure: give at least one file and one length")
    for name, value in (("length", min(lengths)), ("batch", batch), ("threads", threads), ("rounds", rounds)):
        if value < 1:
            raise UserError(f"{name} is {value}, and must be at least 1")


def feed(session: onnxruntime.InferenceSession, length: int, batch: int) -> Feed:
    """Return random ids, a mask of ones and token types of zero, as far as the file asks for them."""
    vocabulary = int(session.get_modelmeta().custom_metadata_map.get("vocabulary_size", SAFE_VOCABULARY))
    ids = np.random.default_rng(0).integers(vocabulary, size=(batch, length), dtype=np.int64)
    known = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    names = [x.name for x in session.get_inputs()]
    if strange := sorted(set(names) - set(known)):
        raise UserError(f"a text classifier has no input '{strange[0]}': it has {', '.join(known)}")
    return {name: known[name] for name in names}


def _samples_a_visit(cells: Sequence[_Cell], rounds: int) -> int:
    round_seconds = sum(cell.sample() * cell.calls for cell in cells)
    return max(1, min(MOST_SAMPLES_A_ROUND, int(BUDGET / (rounds * round_seconds)) - 1))


def _row(cell: _Cell, batch: int, threads: int) -> LatencyRow:
    milliseconds = np.asarray(cell.samples) * 1e3
    return LatencyRow(
        name=cell.name,
        length=cell.length,
        batch=batch,
        threads=threads,
        p50_ms=statistics.median(milliseconds.tolist()),
        p95_ms=float(np.percentile(milliseconds, 95)),
        fastest_ms=float(milliseconds.min()),
        samples=len(cell.samples),
        calls_per_sample=cell.calls,
    )


def environment() -> dict[str, str | int | float]:
    """Return what the numbers depend on besides the files: processor, cores, load and runtime."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": onnxruntime.__version__,
    }


def latency_table(rows: Sequence[LatencyRow]) -> Table:
    """Return the rows as a table for a terminal, with speeds relative to the first file at that length."""
    first = {row.length: row.p50_ms for row in reversed(rows) if row.name == rows[0].name}
    title = f"milliseconds a call, batch {rows[0].batch}, {rows[0].threads} thread(s)"
    table = Table(title=title)
    table.add_column("file")
    for column in ("length", "p50", "p95", "samples", "speed"):
        table.add_column(column, justify="right")
    for row in rows:
        speed = f"{first[row.length] / row.p50_ms:.2f}x"
        table.add_row(row.name, str(row.length), f"{row.p50_ms:.2f}", f"{row.p95_ms:.2f}", str(row.samples), speed)
    return table


def _names(files: Sequence[Path]) -> dict[str, Path]:
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


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    files: Annotated[list[Path], typer.Argument(help="ONNX files; speed is relative to the first.")],
    *,
    length: Annotated[list[int] | None, typer.Option(help="Tokens a text; may be repeated.")] = None,
    batch: Annotated[int, typer.Option(help="Texts a call.")] = 1,
    threads: Annotated[int, typer.Option(help="Threads within an operator.")] = 1,
    rounds: Annotated[int, typer.Option(help="How often each file is visited.")] = 12,
    json: Annotated[Path | None, typer.Option(help="Write rows and environment to this file.")] = None,
) -> None:
    """Measure ONNX files against each other, interleaved, on this machine's CPU."""
    names = _names(files)
    if json is not None:
        _check_writable(json)
    terminal = Console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("measuring")
        rows = measure(
            names,
            length or LENGTHS,
            batch=batch,
            threads=threads,
            rounds=rounds,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    out = Console()
    out = out if out.is_terminal else Console(width=WIDTH)  # in a file there is room for whole names
    out.print(latency_table(rows))
    if json is not None:
        write_json(json, {"environment": environment(), "rows": [dataclasses.asdict(row) for row in rows]})


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.latency")
