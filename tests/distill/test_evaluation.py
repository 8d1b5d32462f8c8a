import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from distill.data.encoding import PaddingCollator
from distill.data.tasks import Task
from distill.evaluation import (
    calibration_error,
    constant_answer,
    difference,
    distance,
    divergence,
    kept_share,
    predict,
    quality,
)

TASK = Task(
    name="t", kind="classification", text_columns=("text",), label_column="label", labels=("a", "b"), metric="accuracy"
)
VALUES = Task(name="t", kind="regression", text_columns=("text",), label_column="label", labels=(), metric="spearman")


def _logits(labels, right, size=2.0):
    logits = np.zeros((len(labels), 2))
    logits[np.arange(len(labels)), np.where(right, labels, 1 - labels)] = size
    return logits


LABELS = np.arange(200) % 2
RIGHT = np.arange(200) % 10 != 0


def test_accuracy_with_an_interval_around_it():
    measured = quality(TASK, LABELS, _logits(LABELS, RIGHT))
    assert measured.value == pytest.approx(0.9)
    assert measured.low < 0.9 < measured.high
    standard_error = math.sqrt(0.9 * 0.1 / 200)
    assert measured.high - measured.low == pytest.approx(2 * 1.96 * standard_error, rel=0.2)
    assert measured.agreement is None


def test_against_the_teacher():
    teacher = _logits(LABELS, np.ones(200, bool))
    measured = quality(TASK, LABELS, _logits(LABELS, RIGHT), teacher)
    assert measured.agreement == pytest.approx(0.9)
    p = math.exp(2) / (1 + math.exp(2))
    assert measured.kl == pytest.approx(0.1 * 2 * (2 * p - 1), abs=1e-9)


def test_distance_is_divergence_or_for_a_regression_the_mean_squared_difference():
    ours, theirs = np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([[2.0, 2.0], [0.0, 1.0]])
    assert distance(TASK, theirs, ours) == divergence(theirs, ours) > 0
    assert distance(VALUES, theirs[:, :1], ours[:, :1]) == pytest.approx(0.5)
    assert distance(VALUES, theirs, theirs) == 0


def test_divergence_is_zero_for_the_same_distribution():
    logits = np.random.default_rng(0).normal(size=(5, 3))
    assert divergence(logits, logits + 7.0) == pytest.approx(0, abs=1e-12)


def test_calibration_error_by_hand():
    # confidence 0.8808 everywhere, right in 90 % of rows
    confidence = math.exp(2) / (1 + math.exp(2))
    assert calibration_error(LABELS, _logits(LABELS, RIGHT)) == pytest.approx(abs(0.9 - confidence), abs=1e-9)


def test_a_calibrated_model_has_no_error():
    labels = np.array([0] * 3 + [1])
    logits = np.tile([math.log(3.0), 0.0], (4, 1))
    assert calibration_error(labels, logits) == pytest.approx(0, abs=1e-9)


def test_what_is_kept_is_a_ratio_with_a_paired_interval():
    kept = kept_share(TASK, LABELS, _logits(LABELS, RIGHT), _logits(LABELS, np.ones(200, bool)))
    assert kept is not None and kept.share == pytest.approx(0.9)
    # Accuracy 0.9 of a perfect teacher: the share's interval is the accuracy's own.
    alone = quality(TASK, LABELS, _logits(LABELS, RIGHT))
    assert (kept.low, kept.high) == pytest.approx((alone.low, alone.high))
    same = kept_share(TASK, LABELS, _logits(LABELS, RIGHT), _logits(LABELS, RIGHT))
    assert same is not None and (same.low, same.share, same.high) == (1, 1, 1)


def test_a_teacher_that_may_be_at_zero_gives_no_share():
    values = np.linspace(0, 1, 50)
    noise = (np.arange(50) % 7)[:, None].astype(float)  # correlation near 0
    assert kept_share(VALUES, values, values[:, None], noise) is None


def test_no_share_where_some_resamples_have_nothing_to_share():
    rare = np.zeros(100, dtype=int)
    rare[:4] = 1
    task = replace(TASK, metric="f1")
    assert kept_share(task, rare, _logits(rare, rare >= 0), _logits(rare, rare >= 0)) is None


def test_a_paired_difference_is_narrower_than_an_unpaired_one():
    worse = RIGHT.copy()
    worse[[1, 2, 3]] = False
    paired = difference(TASK, LABELS, _logits(LABELS, RIGHT), _logits(LABELS, worse))
    assert paired.difference == pytest.approx(3 / 200)
    assert paired.low >= 0
    assert paired.high < 0.04


def test_regression_has_correlations_and_no_calibration():
    targets = np.linspace(0, 5, 50)
    measured = quality(VALUES, targets, targets[:, None] ** 3, targets[:, None])
    assert measured.value == pytest.approx(1.0)
    assert measured.metrics["pearson"] < 1
    assert measured.calibration_error is None


def test_predict_keeps_the_rows_order_and_ignores_padding(bert, rows):
    model = bert().train()
    logits = predict(model, rows, PaddingCollator(0), batch_size=7)
    assert model.training
    model.eval()
    for index in (0, 17, 47):
        alone = model(input_ids=torch.tensor([rows[index]["input_ids"]])).logits
        assert torch.allclose(torch.tensor(logits[index]), alone[0], atol=1e-5)


@pytest.mark.parametrize(("metric", "value"), [("accuracy", 0.6), ("f1", 2 * 0.4 / 1.4), ("matthews", 0.0)])
def test_the_best_constant_answer_depends_on_the_metric(metric, value):
    labels = np.array([0] * 6 + [1] * 4)
    assert constant_answer(replace(TASK, metric=metric), labels) == pytest.approx(value)
