"""Shared layers (`pocketbert.sharing`) apart again, and how they start."""

import copy

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from pocketbert.sharing import FIELD, holder_of, own_names


def unshared(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a model whose layers have weights of their own; the same numbers at first."""
    result = copy.deepcopy(model)
    delattr(result.config, FIELD)
    holder = holder_of(result)
    holder.layer = nn.ModuleList(copy.deepcopy(layer) for layer in holder.layer)
    result._tied_weights_keys = own_names(result)
    return result


@torch.no_grad()
def take_over(model: PreTrainedModel, whole: PreTrainedModel) -> None:
    """Write to a model with shared layers the weights of one without: of each group its last layer's.

    On a fine-tuned MiniLM these gave answers nearer to the teacher's than the group's mean, or its first layer's.
    """
    theirs = dict(whole.named_parameters())
    for name, weight in model.named_parameters(remove_duplicate=False):
        if name in theirs:
            weight.copy_(theirs[name])


def is_shared(config: PreTrainedConfig) -> bool:
    """Tell whether layers share their weights."""
    return getattr(config, FIELD, None) is not None
