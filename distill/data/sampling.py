"""Random batches of rows of like length, the same for a straight run and a resumed one."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler


class LengthGroupedSampler(Sampler[int]):
    """Yields row numbers so that consecutive batches hold rows of like length.

    Each epoch shuffles all rows, cuts them into pools of `pool` batches, sorts inside a pool, and shuffles the
    batches of all pools. The order depends on the seed and the epoch alone, never on the global random state, so
    that a run that is resumed in the middle of an epoch sees the rows that the straight run sees.

    Args:
        lengths: tokens of each row.
        batch_size: rows that end up in one batch on all devices together.
        seed: of the run.
        epoch: returns the number of the epoch that begins.
        pool: batches per pool; 1 would be plain random batches.
    """

    def __init__(
        self, lengths: ArrayLike, batch_size: int, seed: int, epoch: Callable[[], int], pool: int = 100
    ) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch
        self._pool = pool

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self._seed, self._epoch()))
        order = generator.permutation(len(self._lengths))
        size = self._batch_size * self._pool
        for start in range(0, len(order), size):
            pool = order[start : start + size]
            order[start : start + size] = pool[np.argsort(self._lengths[pool], kind="stable")]
        whole = len(order) // self._batch_size
        for index in generator.permutation(whole):
            yield from order[index * self._batch_size : (index + 1) * self._batch_size].tolist()
        yield from order[whole * self._batch_size :].tolist()


def lengths_of(rows: Dataset) -> NDArray[np.integer[Any]]:
    """Return the column `length` of encoded rows; as a list, millions of rows would take hundreds of megabytes."""
    return np.asarray(rows.with_format("numpy")["length"][:], dtype=np.int32)


def tokens_of(rows: Dataset) -> int:
    """Return the tokens of all encoded rows together."""
    return int(lengths_of(rows).sum(dtype=np.int64))
