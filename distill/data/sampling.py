"""Random batches of rows of like length, the same for a straight run and a resumed one."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
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
        self, lengths: Sequence[int], batch_size: int, seed: int, epoch: Callable[[], int], pool: int = 50
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
        batches: list[np.ndarray] = []
        for start in range(0, len(order), size):
            pool = order[start : start + size]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            batches += [pool[i : i + self._batch_size] for i in range(0, len(pool), self._batch_size)]
        whole = [batch for batch in batches if len(batch) == self._batch_size]
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        for index in generator.permutation(len(whole)):
            yield from whole[index].tolist()
        for batch in rest:
            yield from batch.tolist()
