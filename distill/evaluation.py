"""Quality of any model's logits, by the same code for teacher, student, control and ONNX files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from distill.data.encoding import MODEL_INPUTS, PaddingCollator
from distill.data.sampling import lengths_of
from distill.data.tasks import Task
from distill.metrics import METRICS, Metric
from distill.resampling import resampled

CALIBRATION_BINS = 15
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Quality:
    """How good a model's predictions are on the evaluation split.

    Attributes:
        metric: the task's metric, by name.
        value: its value on all rows.
        low, high: 95 % bootstrap interval of `value` over rows.
        metrics: every metric that fits the task's kind.
        agreement: share of rows with the teacher's prediction (classification, None without a teacher).
        kl: mean divergence from the teacher's distribution, in nats.
        calibration_error: expected calibration error over 15 equal bins of confidence.
    """

    metric: str
    value: float
    low: float
    high: float
    metrics: dict[str, float]
    agreement: float | None = None
    kl: float | None = None
    calibration_error: float | None = None


@dataclass(frozen=True)
class Difference:
    """Paired difference of the metric between two models, with a 95 % bootstrap interval over rows."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Kept:
    """A model's metric as a share of its teacher's, with a paired 95 % bootstrap interval over rows."""

    share: float
    low: float
    high: float


@torch.inference_mode()
def predict(
    model: PreTrainedModel, rows: Dataset, collator: PaddingCollator, batch_size: int = 64, title: str = ""
) -> Floats:
    """Return the logits [N, C] of encoded rows in their order; runs length-sorted batches in evaluation mode.

    Args:
        model: a sequence classifier.
        rows: encoded rows with `length`.
        collator: pads a batch.
        batch_size: rows a batch.
        title: of a progress bar; none is shown without it.
    """
    was_training = model.training
    model.eval()
    columns = [name for name in MODEL_INPUTS if name in rows.column_names]
    order = lengths_of(rows).argsort(kind="stable")
    inputs = rows.select_columns(columns)
    logits = np.empty((len(rows), int(model.config.num_labels or 0)), dtype=np.float32)
    for start in tqdm(range(0, len(order), batch_size), desc=title, unit="batch", mininterval=1, disable=not title):
        index = order[start : start + batch_size]
        batch = collator([inputs[int(i)] for i in index])
        output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
        logits[index] = output.logits.float().cpu().numpy()
    model.train(was_training)
    return logits


def constant_answer(task: Task, labels: Floats) -> float:
    """Return the metric of the best model that gives every row the same class (0 for a correlation)."""
    if task.kind == "regression":
        return 0.0
    metric = METRICS[task.metric]
    return max(_measure(task, metric, labels, np.full_like(labels, label)) for label in np.unique(labels))


def _measure(task: Task, metric: Metric, labels: Floats, predicted: Floats) -> float:
    return metric.measure(labels, predicted, len(task.labels))


def measured(task: Task, labels: Floats, logits: Floats) -> float:
    """Return the task's metric of logits [N, C] against labels [N], without an interval."""
    return float(_measure(task, METRICS[task.metric], labels, predictions(task, logits)))


def predictions(task: Task, logits: Floats) -> Floats:
    """Return class ids [N], or values [N] for a regression."""
    return logits[:, 0] if task.kind == "regression" else logits.argmax(-1)


def quality(task: Task, labels: Floats, logits: Floats, teacher_logits: Floats | None = None) -> Quality:
    """Measure predictions against gold labels and, where given, against the teacher's logits.

    Args:
        task: names the metric.
        labels: [N], class ids or values.
        logits: [N, C].
        teacher_logits: [N, C].
    """
    predicted = predictions(task, logits)
    metrics = {m.name: _measure(task, m, labels, predicted) for m in METRICS.values() if m.kind == task.kind}
    value = metrics[task.metric]
    samples = _resampled(task, labels, predicted)[0]
    low, high = np.quantile(samples, [0.025, 0.975])
    classify = task.kind == "classification"
    compare = classify and teacher_logits is not None
    return Quality(
        metric=task.metric,
        value=float(value),
        low=float(low),
        high=float(high),
        metrics={name: float(number) for name, number in metrics.items()},
        agreement=_agreement(logits, teacher_logits) if compare and teacher_logits is not None else None,
        kl=divergence(teacher_logits, logits) if compare and teacher_logits is not None else None,
        calibration_error=calibration_error(labels, logits) if classify else None,
    )


def kept_share(task: Task, labels: Floats, ours: Floats, theirs: Floats) -> Kept | None:
    """Return metric(ours) / metric(theirs) with a paired bootstrap interval; None where theirs may be 0."""
    first, second = predictions(task, ours), predictions(task, theirs)
    metric = METRICS[task.metric]
    whole = _measure(task, metric, labels, second)
    samples = _resampled(task, labels, first, second)
    if whole <= 0 or samples[1].min() <= 0:
        return None
    low, high = np.quantile(samples[0] / samples[1], [0.025, 0.975])
    return Kept(_measure(task, metric, labels, first) / whole, float(low), float(high))


def difference(task: Task, labels: Floats, ours: Floats, theirs: Floats) -> Difference:
    """Return metric(ours) - metric(theirs) for logits [N, C] of the same rows, resampled in pairs."""
    first, second = predictions(task, ours), predictions(task, theirs)
    metric = METRICS[task.metric]
    samples = _resampled(task, labels, first, second)
    low, high = np.quantile(samples[0] - samples[1], [0.025, 0.975])
    return Difference(
        _measure(task, metric, labels, first) - _measure(task, metric, labels, second), float(low), float(high)
    )


def _agreement(logits: Floats, teacher_logits: Floats) -> float:
    return float((logits.argmax(-1) == teacher_logits.argmax(-1)).mean())


def divergence(teacher_logits: Floats, logits: Floats) -> float:
    """Return the mean Kullback-Leibler divergence of the model's distribution from the teacher's, in nats."""
    teacher = log_softmax(teacher_logits.astype(np.float64), axis=-1)
    model = log_softmax(logits.astype(np.float64), axis=-1)
    return float(max(0.0, (np.exp(teacher) * (teacher - model)).sum(-1).mean()))


def distance(task: Task, teacher_logits: Floats, logits: Floats) -> float:
    """Return how far a model's answers are from its teacher's on the same rows, 0 where they are the same.

    Of a classification the divergence in nats, of a regression the mean squared difference in the labels' units.
    """
    if task.kind == "regression":
        return float(np.square(logits.astype(np.float64) - teacher_logits).mean())
    return divergence(teacher_logits, logits)


def calibration_error(labels: Floats, logits: Floats) -> float:
    """Return the expected calibration error: |accuracy - confidence| over equal-width bins, weighted by rows.

    Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    probabilities = softmax(logits.astype(np.float64), axis=-1)
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def _resampled(task: Task, labels: Floats, *predicted: Floats) -> Floats:
    return resampled(task.metric, labels, predicted, len(task.labels))
