"""Few labels: keep some labelled rows, balanced as the data is, and make the rest unlabelled."""

import numpy as np
from numpy.typing import NDArray

from distill.data.labels import LabelCoding
from distill.data.splits import Split
from distill.data.tasks import LABEL
from pocketbert.errors import UserError


def keep_labelled(train: Split, count: int, coding: LabelCoding) -> tuple[Split, Split]:
    """Return `count` labelled rows, and the rest without its labels.

    The choice depends on the texts alone (the lowest hashes of each class), so it is the same for every seed, and
    a smaller count chooses a part of a larger one's rows but for rounding.

    Raises:
        UserError: more rows than there are, or fewer than classes.
    """
    classes = max(len(coding.names), 1)
    if not classes <= count <= len(train):
        raise UserError(
            f"--labelled-rows {count:,} does not fit: train has {len(train):,} rows"
            + (f" of {classes} classes; take {classes} to {len(train):,}." if coding.names else ".")
        )
    chosen = np.zeros(len(train), dtype=bool)
    chosen[_lowest_of_each_class(train, count) if coding.names else train.order()[:count]] = True
    return train.take(chosen), train.take(~chosen).without_labels()


def _lowest_of_each_class(train: Split, count: int) -> NDArray[np.int64]:
    labels = train.data[LABEL].to_numpy()
    ids, sizes = np.unique(labels, return_counts=True)
    order = train.order()
    ordered = labels[order]
    quotas = _quotas(sizes, count)
    return np.concatenate([order[ordered == number][:quota] for number, quota in zip(ids, quotas, strict=True)])


def _quotas(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Share `count` out as the sizes are (largest remainders), at least one each."""
    exact = sizes * count / sizes.sum()
    quotas: NDArray[np.int64] = np.maximum(np.floor(exact).astype(np.int64), 1)
    while quotas.sum() < count:
        quotas[np.argmax(np.where(quotas < sizes, exact - quotas, -np.inf))] += 1
    while quotas.sum() > count:
        quotas[np.argmax(np.where(quotas > 1, quotas - exact, -np.inf))] -= 1
    return quotas
