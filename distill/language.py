"""Quality of masked language models: which hidden tokens of held-out text they name, by the same code for all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name)
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from distill.activations import LOGITS, capture
from distill.data.encoding import PaddingCollator
from distill.evaluation import Difference, Kept, Quality
from distill.losses import IGNORED_LABEL
from distill.masking import Masking, Vocabulary, mask_tokens
from pocketbert.devices import best_device, move

BATCH_SIZE = 8  # a row's hidden tokens have a number for every piece of the vocabulary
RESAMPLES = 1000
METRIC = "accuracy"


@dataclass(frozen=True)
class HeldOut:
    """Text to measure on; its hidden tokens are the same for every model.

    Attributes:
        rows: encoded, with `input_ids`.
        collator: pads batches.
        vocabulary: of the tokenizer.
    """

    rows: Dataset
    collator: PaddingCollator
    vocabulary: Vocabulary


@dataclass(frozen=True)
class Measured:
    """How well a model names the hidden tokens, and what that comes from.

    Attributes:
        quality: the accuracy with a 95 % bootstrap interval over rows; loss (nats) and perplexity among its metrics.
        accuracies: on resampled rows, the same ones for every model, [RESAMPLES].
    """

    quality: Quality
    accuracies: NDArray[np.floating[Any]]


@torch.inference_mode()
def measure_language(
    model: PreTrainedModel, text: HeldOut, teacher: PreTrainedModel | None = None, title: str = ""
) -> Measured:
    """Measure how well a model names hidden tokens.

    Args:
        model: a masked language model.
        text: what to measure on.
        teacher: for agreement and divergence; asked on the same tokens.
        title: of a progress bar; none is shown without it.
    """
    models = [model] if teacher is None else [model, teacher]
    for each in models:
        move(each, best_device())
        each.eval()
    sums = np.zeros((len(text.rows), 5))  # hidden tokens, named right, loss, as the teacher, divergence from it
    starts = range(0, len(text.rows), BATCH_SIZE)
    for start in tqdm(starts, desc=title, unit="batch", mininterval=1, disable=not title):
        size = min(BATCH_SIZE, len(text.rows) - start)
        sums[start : start + size] = _sums(models, text, range(start, start + size))
    return _measured(sums, compared=teacher is not None)


def difference(ours: Measured, theirs: Measured) -> Difference:
    """Return the paired difference of two accuracies with its bootstrap interval."""
    low, high = np.quantile(ours.accuracies - theirs.accuracies, [0.025, 0.975])
    return Difference(ours.quality.value - theirs.quality.value, float(low), float(high))


def kept_share(ours: Measured, theirs: Measured) -> Kept | None:
    """Return one accuracy as a share of another with its paired interval; None where the other may be 0."""
    if theirs.accuracies.min() <= 0:
        return None
    low, high = np.quantile(ours.accuracies / theirs.accuracies, [0.025, 0.975])
    return Kept(ours.quality.value / theirs.quality.value, float(low), float(high))


def _sums(models: list[PreTrainedModel], text: HeldOut, numbers: range) -> NDArray[np.floating[Any]]:
    batch = text.collator([{"input_ids": text.rows[number]["input_ids"]} for number in numbers])
    generator = torch.Generator().manual_seed(numbers.start)
    ids, labels = mask_tokens(batch["input_ids"], batch["attention_mask"], text.vocabulary, Masking(), generator)
    device = models[0].device
    hidden = (labels != IGNORED_LABEL).to(device)
    inputs = {"input_ids": ids.to(device), "attention_mask": batch["attention_mask"].to(device)}
    logits = [capture(model, inputs, {LOGITS: None}, hidden).logits.float() for model in models]
    columns = _columns(logits, labels.to(device)[hidden])
    rows = hidden.nonzero()[:, 0]
    return torch.zeros(len(numbers), 5, device=device).index_add_(0, rows, columns).cpu().double().numpy()


def _columns(logits: list[Tensor], labels: Tensor) -> Tensor:
    """Return for each hidden token what is summed up, [N, 5]."""
    ours = F.log_softmax(logits[0], dim=-1)
    right = ours.argmax(-1) == labels
    loss = F.nll_loss(ours, labels, reduction="none")
    same, divergence = torch.zeros_like(loss), torch.zeros_like(loss)
    if len(logits) > 1:
        theirs = F.log_softmax(logits[1], dim=-1)
        same = ours.argmax(-1) == theirs.argmax(-1)
        divergence = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)
    return torch.stack([torch.ones_like(loss), right.float(), loss, same.float(), divergence], dim=1)


def _measured(sums: NDArray[np.floating[Any]], *, compared: bool) -> Measured:
    tokens, right, loss, same, divergence = (float(value) for value in sums.sum(0))
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    accuracies = sums[drawn, 1].sum(1) / np.maximum(sums[drawn, 0].sum(1), 1)
    low, high = np.quantile(accuracies, [0.025, 0.975])
    quality = Quality(
        metric=METRIC,
        value=right / tokens,
        low=float(low),
        high=float(high),
        metrics={METRIC: right / tokens, "loss": loss / tokens, "perplexity": float(np.exp(loss / tokens))},
        agreement=same / tokens if compared else None,
        kl=max(0.0, divergence / tokens) if compared else None,
    )
    return Measured(quality, accuracies)
