"""Visits workers in turn, so that whatever else the machine does falls on all of them alike."""

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.peers.workers import Worker

Progress = Callable[[int, int], None]
Visits = dict[tuple[str, int], list[list[float]]]
"""Milliseconds a call: the samples of each visit, by worker and length."""


def timed_texts(lengths: Sequence[int], vocabulary: int) -> list[dict[str, list[int]]]:
    """Return a text of random ids for each length, from a fixed seed, without padding."""
    texts = []
    for length in lengths:
        ids = np.random.default_rng(0).integers(vocabulary, size=length)
        texts.append({"input_ids": ids.tolist(), "attention_mask": [1] * length, "token_type_ids": [0] * length})
    return texts


def visit(
    workers: Mapping[str, Worker], *, rounds: int, samples: int, seed: int = 0, progress: Progress | None = None
) -> Visits:
    """Time every worker at every length it was opened with, in a new random order each round.

    Only one process works at a time: the others wait for a line to read.

    Args:
        workers: opened ones by name.
        rounds: how often each is visited.
        samples: of a visit, after one that does not count.
        seed: of the orders.
        progress: called with visits done and visits in all.
    """
    cells = [(name, length) for name, worker in workers.items() for length in worker.calls]
    raw: Visits = {cell: [] for cell in cells}
    order = random.Random(seed)  # noqa: S311  (an order, not a secret)
    for number in range(rounds):
        for done, (name, length) in enumerate(order.sample(cells, len(cells)), start=1):
            raw[name, length].append([1e3 * seconds for seconds in workers[name].sample(length, samples)])
            if progress is not None:
                progress(number * len(cells) + done, rounds * len(cells))
    return raw
