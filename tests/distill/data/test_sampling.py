import numpy as np
import pytest

from distill.data.sampling import LengthGroupedSampler

LENGTHS = np.random.default_rng(0).geometric(0.08, 1003).tolist()


def _order(epoch=0, seed=0, lengths=LENGTHS):
    return list(LengthGroupedSampler(lengths, 16, seed, lambda: epoch))


def test_every_row_comes_once():
    assert sorted(_order()) == list(range(len(LENGTHS)))


def test_the_order_depends_on_seed_and_epoch_alone():
    np.random.seed(1)
    first = _order()
    np.random.seed(2)
    assert _order() == first
    assert _order(epoch=1) != first
    assert _order(seed=1) != first


def test_batches_hold_rows_of_like_length():
    def padding(order):
        batches = [[LENGTHS[i] for i in order[s : s + 16]] for s in range(0, len(order), 16)]
        padded = sum(max(batch) * len(batch) for batch in batches)
        return 1 - sum(LENGTHS) / padded

    assert padding(_order()) < 0.15
    assert padding(list(range(len(LENGTHS)))) > 0.5


def test_long_and_short_batches_are_mixed():
    means = [np.mean([LENGTHS[i] for i in _order()[s : s + 16]]) for s in range(0, 992, 16)]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.4


@pytest.mark.parametrize("count", [1, 15, 16, 17])
def test_few_rows(count):
    assert sorted(_order(lengths=LENGTHS[:count])) == list(range(count))
