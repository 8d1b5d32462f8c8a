"""Task metrics by name; the numbers themselves come from scikit-learn and SciPy."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from pocketbert.errors import DoesNotFit, unknown

Kind = Literal["classification", "regression"]
Numbers = NDArray[np.integer] | NDArray[np.floating]


@dataclass(frozen=True)
class Metric:
    """One task metric; larger is better for all of them.

    Attributes:
        name: what a user writes.
        title: what a report prints.
        kind: the kind of task it fits.
        function: labels [N] and predictions [N] (class ids, or values for regression) to a number.
        many: the same for more than two classes, where that is something else.
    """

    name: str
    title: str
    kind: Kind
    function: Callable[[Numbers, Numbers], float]
    many: Callable[[Numbers, Numbers], float] | None = None

    def measure(self, labels: Numbers, predictions: Numbers, classes: int) -> float:
        """Return the metric of a task with so many classes (0 for regression)."""
        return (self.many if self.many and classes > 2 else self.function)(labels, predictions)


def accuracy(labels: Numbers, predictions: Numbers) -> float:
    """Return the share of equal class ids."""
    return float(accuracy_score(labels, predictions))


def f1(labels: Numbers, predictions: Numbers) -> float:
    """Return F1 of class id 1, the positive one of two."""
    return float(f1_score(labels, predictions, average="binary", zero_division=0.0))


def macro_f1(labels: Numbers, predictions: Numbers) -> float:
    """Return the mean F1 of the classes that occur."""
    return float(f1_score(labels, predictions, average="macro", zero_division=0.0))


def matthews(labels: Numbers, predictions: Numbers) -> float:
    """Return Matthews's correlation; 0 where labels or predictions are constant."""
    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(matthews_corrcoef(labels, predictions))


def pearson(labels: Numbers, predictions: Numbers) -> float:
    """Return Pearson's correlation; 0 where labels or predictions are constant."""
    return _correlation(pearsonr, labels, predictions)


def spearman(labels: Numbers, predictions: Numbers) -> float:
    """Return Spearman's rank correlation; 0 where labels or predictions are constant."""
    return _correlation(spearmanr, labels, predictions)


def _correlation(function: Callable[..., tuple[float, float]], labels: Numbers, predictions: Numbers) -> float:
    if _constant(labels) or _constant(predictions):
        return 0.0
    with warnings.catch_warnings():
        # SciPy also warns of values that are nearly constant; their correlation is still a number.
        warnings.simplefilter("ignore")
        value = float(function(labels.astype(np.float64), predictions.astype(np.float64))[0])
    return value if np.isfinite(value) else 0.0


def _constant(values: Numbers) -> bool:
    return bool(np.all(values == values[:1]))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", "classification", accuracy),
        Metric("f1", "F1", "classification", f1, many=macro_f1),
        Metric("matthews", "Matthews correlation", "classification", matthews),
        Metric("pearson", "Pearson correlation", "regression", pearson),
        Metric("spearman", "Spearman correlation", "regression", spearman),
    )
}

DEFAULT_METRICS: dict[Kind, str] = {"classification": "accuracy", "regression": "spearman"}


def find_metric(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        UserError: there is none; the message holds near matches.
    """
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def choose_metric(name: str | None, kind: Kind) -> str:
    """Return the metric to use for a kind of task: the named one, or the default.

    Raises:
        UserError: no such metric.
        DoesNotFit: it is for the other kind of task.
    """
    if name is None:
        return DEFAULT_METRICS[kind]
    metric = find_metric(name)
    if metric.kind != kind:
        fitting = ", ".join(other.name for other in METRICS.values() if other.kind == kind)
        raise DoesNotFit(f"metric '{name}' is for {metric.kind}, the task is {kind}: take {fitting}.")
    return name
