"""Heads fitted on a few labelled sentences, so that answers are about something and errors can be judged."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert.errors import UserError
from students.exporting.deployment import encode


@torch.inference_mode()
def fit_head(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], labels: Sequence[int]
) -> None:
    """Fit the last layer of a classifier of two classes, in place; what comes before it stays as it is.

    Args:
        model: whose `classifier` is one linear layer upon the pooled first token, as BERT's.
        tokenizer: its own.
        texts: some of either class.
        labels: 0 and 1, a text each.

    Raises:
        UserError: the head is another.
    """
    head = getattr(model, "classifier", None)
    if not isinstance(head, torch.nn.Linear) or head.out_features != 2:
        raise UserError(f"{type(model).__name__} has no head of one layer and two classes that could be fitted")
    pooled = []
    for text in encode(model, tokenizer, texts):
        row = {name: torch.tensor([ids]) for name, ids in text.items()}
        pooled.append(model.base_model(**row).pooler_output[0].numpy())
    fitted = LogisticRegression(max_iter=1000).fit(np.stack(pooled), labels)
    half, bias = torch.from_numpy(fitted.coef_[0] / 2), float(fitted.intercept_[0] / 2)
    head.weight.copy_(torch.stack([-half, half]))
    head.bias.copy_(torch.tensor([-bias, bias]))
