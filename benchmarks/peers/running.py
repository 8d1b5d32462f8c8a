"""All versions of one model: opened, asked about real sentences, then timed in turn."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from benchmarks.measuring import LatencyRow, row_of
from benchmarks.peers.candidates import REFERENCE, Candidate
from benchmarks.peers.errors import error
from benchmarks.peers.rows import Row, csv_rows
from benchmarks.peers.visiting import Visits, timed_texts, visit
from benchmarks.peers.workers import Worker
from benchmarks.sentences import encoded
from students.exporting.loading import load
from students.exporting.running import Encoding


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        lengths: tokens of the texts that are timed, in their order in the tables.
        openings: how often every version's process is begun anew. Where its memory lies by chance makes a small model
            up to a third slower or faster as long as a process lives.
        rounds: how often each version is visited in each of them.
        samples: of a visit.
        threads: within an operator.
        pythons: interpreters by the first word of a runtime; "" is for all others.
    """

    lengths: Sequence[int]
    openings: int
    rounds: int
    samples: int
    threads: int
    pythons: Mapping[str, Path]


def run_model(
    folder: Path, candidates: Sequence[Candidate], sentences: Sequence[str], settings: Settings, bar: Progress
) -> list[Row]:
    """Measure one model, every version of it in a process of its own.

    Args:
        folder: the model's.
        candidates: the versions; ours and the reference are among them.
        sentences: for the errors; those longer than the longest length are cut.
        settings: how to measure.
        bar: shows how far it is.

    Raises:
        UserError: a version can't be opened, or does not work.
    """
    model, tokenizer = load(folder)
    texts = timed_texts(settings.lengths, model.config.vocab_size)
    encodings = encoded(model, tokenizer, sentences, max(settings.lengths))
    visits: Visits = {}
    logits: dict[str, Any] = {}
    for number in range(settings.openings):
        part = f"{folder.name}, {number + 1} of {settings.openings}"
        with _opened(folder, candidates, texts, settings, bar, part) as workers:
            if not logits:
                asked = bar.track(list(workers.items()), description=f"{part}: answering")
                logits = {name: worker.answer(encodings) for name, worker in asked}
            task = bar.add_task(f"{part}: measuring")
            advance = partial(_advance, bar, task)
            found = visit(workers, rounds=settings.rounds, samples=settings.samples, seed=number, progress=advance)
        for cell, milliseconds in found.items():
            visits.setdefault(cell, []).extend(milliseconds)
    measured = [_row(workers[name], name, length, milliseconds) for (name, length), milliseconds in visits.items()]
    expected = logits[f"{REFERENCE}, fp32"]
    errors = {name: error(expected, actual) for name, actual in logits.items()}
    return csv_rows(folder, candidates, measured, errors, {name: worker.versions for name, worker in workers.items()})


@contextmanager
def _opened(
    folder: Path,
    candidates: Sequence[Candidate],
    texts: Sequence[Encoding],
    settings: Settings,
    bar: Progress,
    part: str,
) -> Iterator[dict[str, Worker]]:
    """Give every version opened in a process of its own, which ends with the block."""
    with ExitStack() as stack:
        workers = {}
        for each in bar.track(candidates, description=f"{part}: opening"):
            python = settings.pythons.get(each.runtime.split()[0], settings.pythons[""])
            worker = stack.enter_context(Worker(f"{folder.name}, {each.name}", python, settings.threads))
            worker.open(each.runtime, each.path(folder), texts)
            workers[each.name] = worker
        yield workers


def _advance(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _row(worker: Worker, name: str, length: int, milliseconds: list[list[float]]) -> LatencyRow:
    return row_of(name, length, batch=1, threads=worker.threads, calls=worker.calls[length], raw_ms=milliseconds)
