"""Metrics of many resamples at once equal the libraries' one at a time."""

import numpy as np
import pytest

from distill import resampling
from distill.metrics import METRICS
from distill.resampling import BATCHED, resampled

DRAWS, ROWS = 40, 30


def _samples(kind, classes, seed=0):
    generator = np.random.default_rng(seed)
    if kind == "regression":
        labels = generator.integers(0, 6, (DRAWS, ROWS)).astype(np.float32)  # with ties, as gold scores have
        return labels, (labels + generator.normal(0, 2, labels.shape)).astype(np.float32)
    labels = generator.integers(0, classes, (DRAWS, ROWS))
    wrong = generator.random(labels.shape) < 0.3
    return labels, np.where(wrong, generator.integers(0, classes, labels.shape), labels)


def test_there_is_one_for_every_metric():
    assert BATCHED.keys() == METRICS.keys()


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("name", METRICS)
def test_equals_the_library(name, classes):
    labels, predicted = _samples(METRICS[name].kind, classes)
    expected = [METRICS[name].measure(*rows, classes) for rows in zip(labels, predicted, strict=True)]
    assert BATCHED[name](labels, predicted, classes) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
def test_constant_predictions_and_labels(name, value):
    labels, _ = _samples(METRICS[name].kind, 2)
    constant = np.full_like(labels, value)
    for pair in ((labels, constant), (constant, labels), (constant, constant)):
        expected = [METRICS[name].measure(*rows, 2) for rows in zip(*pair, strict=True)]
        assert BATCHED[name](*pair, 2) == pytest.approx(expected, abs=1e-9)


def test_a_class_that_never_occurs_is_left_out_of_the_mean():
    labels, predicted = _samples("classification", 2)
    expected = [METRICS["f1"].measure(*rows, 3) for rows in zip(labels, predicted, strict=True)]
    assert BATCHED["f1"](labels, predicted, 3) == pytest.approx(expected, abs=1e-9)


def test_models_are_measured_on_the_same_rows_in_parts_or_at_once(monkeypatch):
    labels = np.random.default_rng(1).integers(0, 2, 50)
    values = resampled("accuracy", labels, [labels, 1 - labels, labels], 2)
    assert values.shape == (3, resampling.RESAMPLES)
    assert (values[0] == 1).all() and (values[1] == 0).all()
    noisy = np.where(np.arange(50) < 10, 1 - labels, labels)
    whole = resampled("accuracy", labels, [noisy], 2)
    assert whole.std() == pytest.approx(np.sqrt(0.8 * 0.2 / 50), rel=0.1)  # the binomial's
    monkeypatch.setattr(resampling, "CELLS", 700)
    assert resampled("accuracy", labels, [noisy], 2).mean() == pytest.approx(whole.mean(), abs=0.005)
