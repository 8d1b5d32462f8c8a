"""Latency of ONNX files, measured in turn; needs onnxruntime and NumPy alone."""

import dataclasses
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from pocketbert.errors import UserError
from students.exporting.running import check_length, open_session

LENGTHS = (16, 32, 64, 128)
SHORTEST_SAMPLE = 0.002
"""Seconds. A call shorter than this is repeated, and the mean of the calls is the sample."""

WARM_UP_CALLS = 3
MOST_SAMPLES_A_ROUND = 5
BUDGET = 25.0
"""Seconds for all the samples; slow models get fewer samples a round, but at least one."""

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
        p90_ms: 90th percentile of the samples in milliseconds.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        fastest_ms: the fastest sample, which other work on the machine hardly changes.
        samples: how many samples there are.
        calls_per_sample: a sample is the mean of so many calls, so that it lasts at least 2 ms.
        raw_ms: every sample, those of a round together.
    """

    name: str
    length: int
    batch: int
    threads: int
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    fastest_ms: float
    samples: int
    calls_per_sample: int
    raw_ms: list[list[float]]


class _Cell:
    """One file at one length, ready to be called again and again."""

    def __init__(
        self, name: str, session: onnxruntime.InferenceSession, length: int, batch: int, threads: int = 1
    ) -> None:
        self.name, self.length, self.batch, self.threads = name, length, batch, threads
        self._session, self._feed = session, feed(session, length, batch, name)
        self.rounds: list[list[float]] = []
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
    threads: int | Sequence[int] = 1,
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
        threads: threads within an operator; of several numbers each file is measured with each.
        rounds: how often every file is visited; up to 5 samples a visit, fewer for slow models (25 s in all).
        progress: called with visits done and visits in all.

    Returns:
        A row for each file, number of threads and length, in the order given.

    Raises:
        UserError: nothing to measure, a number below 1, a file that cannot be loaded or run at a length.
    """
    numbers = [threads] if isinstance(threads, int) else list(threads)
    _check(files, lengths, batch, numbers, rounds)
    sessions = {(name, number): open_session(path, number) for name, path in files.items() for number in numbers}
    for (name, _), session in sessions.items():
        check_length(session, name, max(lengths), "give a shorter --length")
    cells = [
        _Cell(name, session, length, batch, number)
        for (name, number), session in sessions.items()
        for length in lengths
    ]
    visits = _samples_a_visit(cells, rounds)
    order = random.Random(0)  # noqa: S311  (an order, not a secret)
    for number in range(rounds):
        for done, cell in enumerate(order.sample(cells, len(cells)), start=1):
            cell.sample()
            cell.rounds.append([cell.sample() for _ in range(visits)])
            if progress is not None:
                progress(number * len(cells) + done, rounds * len(cells))
    return [
        row_of(
            cell.name, cell.length, batch=batch, threads=cell.threads, calls=cell.calls,
            raw_ms=[[1e3 * seconds for seconds in samples] for samples in cell.rounds],
        )
        for cell in cells
    ]  # fmt: skip


def fitting(lengths: Sequence[int], longest: int | None) -> tuple[int, ...]:
    """Return those lengths that a file reads, or else the most tokens that it reads; None: it reads any number."""
    return tuple(lengths) if longest is None else tuple(x for x in lengths if x <= longest) or (longest,)


def _check(files: Mapping[str, Path], lengths: Sequence[int], batch: int, threads: Sequence[int], rounds: int) -> None:
    if not files or not lengths or not threads:
        raise UserError("nothing to measure: give at least one file and one length")
    for name, value in (("length", min(lengths)), ("batch", batch), ("threads", min(threads)), ("rounds", rounds)):
        if value < 1:
            raise UserError(f"{name} is {value}, and must be at least 1")


def feed(session: onnxruntime.InferenceSession, length: int, batch: int, name: str = "") -> Feed:
    """Return random ids, a mask of ones and token types of zero, as far as the file `name` asks for them."""
    vocabulary = int(session.get_modelmeta().custom_metadata_map.get("vocabulary_size", SAFE_VOCABULARY))
    ids = np.random.default_rng(0).integers(vocabulary, size=(batch, length), dtype=np.int64)
    known = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    names = [x.name for x in session.get_inputs()]
    if strange := sorted(set(names) - set(known)):
        raise UserError(
            f"{name or 'the file'}: a text classifier has no input '{strange[0]}': it has {', '.join(known)}"
        )
    return {each: known[each] for each in names}


def _samples_a_visit(cells: Sequence[_Cell], rounds: int) -> int:
    round_seconds = sum(cell.sample() * cell.calls for cell in cells)
    return max(1, min(MOST_SAMPLES_A_ROUND, int(BUDGET / (rounds * round_seconds)) - 1))


def row_of(
    name: str, length: int, *, batch: int, threads: int, calls: int, raw_ms: Sequence[Sequence[float]]
) -> LatencyRow:
    """Return the row of samples in milliseconds, those of a round together; see `LatencyRow`."""
    every = np.concatenate([np.asarray(samples, np.float64) for samples in raw_ms])
    p50, p90, p95, p99 = np.percentile(every, (50, 90, 95, 99)).tolist()
    return LatencyRow(
        name=name,
        length=length,
        batch=batch,
        threads=threads,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        fastest_ms=float(every.min()),
        samples=len(every),
        calls_per_sample=calls,
        raw_ms=[list(samples) for samples in raw_ms],
    )
