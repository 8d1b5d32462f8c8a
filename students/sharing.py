"""Layers that share one set of weights (ALBERT; Lan et al. 2020), as a property of any BERT-like model.

Neighbouring layers are one and the same module, so that a group's weights are trained, stored and exported once.
"""

import copy
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

FIELD = "layers_sharing"
"""Of a configuration: how many neighbouring layers share their weights; without it none do."""


def share_layers(model: PreTrainedModel) -> None:
    """Make layers one module where the configuration asks for it: a group is its first layer, several times over."""
    size = getattr(model.config, FIELD, None)
    if size is None:
        return
    holder = _holder(model)
    layers = list(holder.layer)
    holder.layer = nn.ModuleList(layers[number - number % size] for number in range(len(layers)))
    # Of this model alone, not of its class: `save_pretrained` writes each weight once, and asks here for the others.
    model._tied_weights_keys = _own_names(model) | _same_names(model)


def unshared(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a model whose layers have weights of their own; the same numbers at first."""
    result = copy.deepcopy(model)
    delattr(result.config, FIELD)
    holder = _holder(result)
    holder.layer = nn.ModuleList(copy.deepcopy(layer) for layer in holder.layer)
    result._tied_weights_keys = _own_names(result)
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


def _holder(model: PreTrainedModel) -> Any:  # noqa: ANN401  (transformers' encoder)
    base: Any = model.base_model
    return base.transformer if model.config.model_type == "distilbert" else base.encoder


def _own_names(model: PreTrainedModel) -> dict[str, str]:
    return dict(type(model)._tied_weights_keys or {})


def _same_names(model: PreTrainedModel) -> dict[str, str]:
    """Return the names that a shared weight has beside its first, and that first."""
    first: dict[int, str] = {}
    return {
        name: first[id(weight)]
        for name, weight in model.named_parameters(remove_duplicate=False)
        if first.setdefault(id(weight), name) != name and ".layer." in name
    }
