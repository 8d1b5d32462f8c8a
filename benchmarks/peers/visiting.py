"""Visits workers in turn, so that whatever else the machine does falls on all of them alike."""

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.measuring import LatencyRow, row_of
from benchmarks.peers.workers import Worker

Progress = Callable[[int, int], None]


def timed_texts(lengths: Sequence[int], vocabulary: int) -> list[dict[str, list[int]]]:
    """Return a text of random ids for each length, from a fixed seed, without padding."""
    texts = []
    for length in lengths:
        ids = np.random.default_rng(0).integers(vocabulary, size=length)
        texts.append({"input_ids": ids.tolist(), "attention_mask": [1] * length, "token_type_ids": [0] * length})
    return texts


def visit(
    workers: Mapping[str, Worker], *, rounds: int, samples: int, progress: Progress | None = None
) -> list[LatencyRow]:
    """Time every worker at every length it was opened with, in a new random order each round.

    Only one process works at a time: the others wait for a line to read.

    Args:
        workers: opened ones by name.
        rounds: how often each is visited.
        samples: of a visit, after one that does not count.
        progress: called with visits done and visits in all.

    Returns:
        A row for each worker and length, in the order given.
    """
    cells = [(name, length) for name, worker in workers.items() for length in worker.calls]
    raw: dict[tuple[str, int], list[list[float]]] = {cell: [] for cell in cells}
    order = random.Random(0)  # noqa: S311  (an order, not a secret)
    for number in range(rounds):
        for done, (name, length) in enumerate(order.sample(cells, len(cells)), start=1):
            raw[name, length].append([1e3 * seconds for seconds in workers[name].sample(length, samples)])
            if progress is not None:
                progress(number * len(cells) + done, rounds * len(cells))
    return [
        row_of(name, length, batch=1, threads=workers[name].threads, calls=workers[name].calls[length], raw_ms=values)
        for (name, length), values in raw.items()
    ]
