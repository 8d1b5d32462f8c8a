"""All versions of one model: opened, asked about real sentences, then timed in turn."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from benchmarks.peers.candidates import REFERENCE, Candidate
from benchmarks.peers.errors import error
from benchmarks.peers.rows import Row, csv_rows
from benchmarks.peers.visiting import timed_texts, visit
from benchmarks.peers.workers import Worker
from benchmarks.sentences import encoded
from students.exporting.loading import load


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        lengths: tokens of the texts that are timed, in their order in the tables.
        rounds: how often each version is visited.
        samples: of a visit.
        threads: within an operator.
        pythons: interpreters by the first word of a runtime; "" is for all others.
    """

    lengths: Sequence[int]
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
    with ExitStack() as stack:
        workers = {}
        for each in bar.track(candidates, description=f"{folder.name}: opening"):
            python = settings.pythons.get(each.runtime.split()[0], settings.pythons[""])
            worker = stack.enter_context(Worker(f"{folder.name}, {each.name}", python, settings.threads))
            worker.open(each.runtime, each.path(folder), texts)
            workers[each.name] = worker
        asked = bar.track(list(workers.items()), description=f"{folder.name}: answering")
        logits = {name: worker.answer(encodings) for name, worker in asked}
        task = bar.add_task(f"{folder.name}: measuring")
        measured = visit(
            workers,
            rounds=settings.rounds,
            samples=settings.samples,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    expected = logits[f"{REFERENCE}, fp32"]
    errors = {name: error(expected, actual) for name, actual in logits.items()}
    return csv_rows(folder, candidates, measured, errors, {name: worker.versions for name, worker in workers.items()})
