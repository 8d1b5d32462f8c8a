"""Metrics of many resamples at once, for bootstrap intervals.

The libraries' functions take one sample a call, and a run needs tens of thousands of calls. The tests hold these
equal to the functions in `distill.metrics`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

RESAMPLES = 1000
CELLS = 4_000_000  # numbers held at once
Array = NDArray[np.floating[Any]]


def resampled(metric: str, labels: Array, predicted: Sequence[Array], classes: int) -> Array:
    """Return the metric on resampled rows, [models, RESAMPLES]; all models get the same rows.

    Args:
        metric: a name in `distill.metrics.METRICS`.
        labels: [N], class ids or values.
        predicted: for each model [N], class ids or values.
        classes: of the task, 0 for a regression.
    """
    generator, rows = np.random.default_rng(0), len(labels)
    draws = max(1, min(RESAMPLES, CELLS // rows))
    values = np.empty((len(predicted), RESAMPLES))
    for start in range(0, RESAMPLES, draws):
        stop = min(start + draws, RESAMPLES)
        index = generator.integers(0, rows, (stop - start, rows))
        for model, guesses in enumerate(predicted):
            values[model, start:stop] = BATCHED[metric](labels[index], guesses[index], classes)
    return values


def _accuracy(labels: Array, predicted: Array, classes: int) -> Array:
    right: Array = (labels == predicted).mean(1)
    return right


def _f1(labels: Array, predicted: Array, classes: int) -> Array:
    """Return F1 of class 1 of two, or the mean over the classes that occur."""
    if classes <= 2:
        return _f1_of(labels, predicted, 1)
    each = np.stack([_f1_of(labels, predicted, number) for number in range(classes)])
    occurs = np.stack([((labels == number) | (predicted == number)).any(1) for number in range(classes)])
    return _ratio((each * occurs).sum(0), occurs.sum(0))


def _f1_of(labels: Array, predicted: Array, number: int) -> Array:
    gold, found = labels == number, predicted == number
    return _ratio(2.0 * (gold & found).sum(1), gold.sum(1) + found.sum(1))


def _matthews(labels: Array, predicted: Array, classes: int) -> Array:
    """Return the correlation for any number of classes (Gorodkin 2004, R_K)."""
    gold = np.stack([(labels == number).sum(1) for number in range(classes)]).astype(float)
    found = np.stack([(predicted == number).sum(1) for number in range(classes)]).astype(float)
    right, rows = (labels == predicted).sum(1), labels.shape[1]
    spread = np.sqrt(rows**2 - (gold**2).sum(0)) * np.sqrt(rows**2 - (found**2).sum(0))
    return _ratio(right * rows - (gold * found).sum(0), spread)


def _pearson(labels: Array, predicted: Array, classes: int) -> Array:
    first, second = (values - values.mean(1, keepdims=True, dtype=np.float64) for values in (labels, predicted))
    spread = np.sqrt((first**2).sum(1)) * np.sqrt((second**2).sum(1))
    varied = (np.ptp(labels, axis=1) > 0) & (np.ptp(predicted, axis=1) > 0)
    return _ratio((first * second).sum(1), spread * varied)


def _spearman(labels: Array, predicted: Array, classes: int) -> Array:
    return _pearson(rankdata(labels, axis=1), rankdata(predicted, axis=1), classes)


def _ratio(over: Array, under: Array) -> Array:
    """Return over / under, 0 where under is 0."""
    result: Array = np.divide(over, under, out=np.zeros(len(over)), where=under > 0)
    return result


BATCHED: dict[str, Callable[[Array, Array, int], Array]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}
