import numpy as np
import pytest

from distill.metrics import DEFAULT_METRICS, METRICS, choose_metric, find_metric
from pocketbert.errors import DoesNotFit, UserError

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 1])
PREDICTIONS = np.array([1, 1, 0, 0, 0, 1, 0, 1])  # 3 true, 1 false positive, 1 missed, 3 true negatives


@pytest.mark.parametrize(("name", "value"), [("accuracy", 6 / 8), ("f1", 6 / 8), ("matthews", 0.5)])
def test_binary_metrics_by_hand(name, value):
    assert METRICS[name].function(LABELS, PREDICTIONS) == pytest.approx(value)


def test_f1_counts_class_one_as_positive():
    labels, predictions = np.array([1, 0, 0, 0]), np.array([0, 0, 0, 0])
    assert METRICS["f1"].function(labels, predictions) == 0.0
    assert METRICS["f1"].function(1 - labels, 1 - predictions) == pytest.approx(6 / 7)


def test_f1_of_three_classes_is_the_mean_over_the_classes():
    labels, predictions = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 2, 2, 2])
    assert METRICS["f1"].measure(labels, predictions, classes=3) == pytest.approx((1 + 2 / 3 + 4 / 5) / 3)


def pearson_by_formula(x, y):
    x, y = x - x.mean(), y - y.mean()
    return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())


def test_correlations_equal_the_formula():
    generator = np.random.default_rng(0)
    labels = generator.uniform(0, 5, 50).astype(np.float32)
    predictions = (labels + generator.normal(0, 1, 50)).astype(np.float32)
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (labels, predictions)]
    expected = pearson_by_formula(labels.astype(float), predictions.astype(float))
    assert METRICS["pearson"].function(labels, predictions) == pytest.approx(expected, abs=1e-9)
    assert METRICS["spearman"].function(labels, predictions) == pytest.approx(pearson_by_formula(*ranks), abs=1e-9)


def test_matthews_equals_the_correlation_of_the_ids():
    expected = pearson_by_formula(LABELS.astype(float), PREDICTIONS.astype(float))
    assert METRICS["matthews"].function(LABELS, PREDICTIONS) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_perfect_predictions_score_one(metric):
    values = np.array([0, 1, 1, 0, 1]) if metric.kind == "classification" else np.array([0.5, 2.5, 1.0, 4.0])
    assert metric.function(values, values) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
@pytest.mark.parametrize("constant", ["labels", "predictions", "both"])
def test_constants_give_zero_without_a_warning(name, constant):
    steps, level = np.array([0, 1, 1, 0]), np.array([1, 1, 1, 1])
    labels = steps if constant == "predictions" else level
    predictions = steps if constant == "labels" else level
    assert METRICS[name].function(labels, predictions) == 0.0


def test_nearly_constant_predictions_give_a_number_without_a_warning():
    predictions = np.array([1.0, 1.0 + 1e-15, 1.0, 1.0])
    assert np.isfinite(METRICS["pearson"].function(np.array([1.0, 2.0, 3.0, 4.0]), predictions))


def test_each_kind_has_a_fitting_default():
    for kind, name in DEFAULT_METRICS.items():
        assert METRICS[name].kind == kind
        assert choose_metric(None, kind) == name


def test_unknown_metric_names_near_matches():
    with pytest.raises(UserError, match="did you mean matthews"):
        find_metric("mathews")


def test_metric_of_the_other_kind_does_not_fit():
    with pytest.raises(DoesNotFit, match="'f1' is for classification, the task is regression: take pearson, spearman"):
        choose_metric("f1", "regression")
