"""Layers that share one set of weights (ALBERT; Lan et al. 2020), as a property of any BERT-like model.

Neighbouring layers are one and the same module, so that a group's weights are trained, stored and exported once.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

FIELD = "layers_sharing"
"""Of a configuration: how many neighbouring layers share their weights; without it none do."""


def share_layers(model: PreTrainedModel) -> None:
    """Make layers one module where the configuration asks for it: a group is its first layer, several times over."""
    size = getattr(model.config, FIELD, None)
    if size is None:
        return
    holder = holder_of(model)
    layers = list(holder.layer)
    holder.layer = nn.ModuleList(layers[number - number % size] for number in range(len(layers)))
    # Of this model alone, not of its class: `save_pretrained` writes each weight once, and asks here for the others.
    model._tied_weights_keys = own_names(model) | _same_names(model)


def holder_of(model: PreTrainedModel) -> Any:  # noqa: ANN401  (transformers' encoder)
    """Return the module that holds an encoder's layers as `layer`, live; None for a family that names it otherwise."""
    return getattr(model.base_model, "transformer" if model.config.model_type == "distilbert" else "encoder", None)


def own_names(model: PreTrainedModel) -> dict[str, str]:
    """Return the names of weights that a model's class ties, and those that they are tied to."""
    return dict(type(model)._tied_weights_keys or {})


def mark(model: PreTrainedModel, weights: Path) -> None:
    """Make transformers alone refuse a saved model with shared layers, in place.

    Without the weights of the other names it would make these layers at random, with a warning. Of one of them a tensor
    without values is written, whose shape it refuses.
    """
    repeated = sorted(_same_names(model))
    if getattr(model.config, FIELD, None) is not None and repeated:
        save_file(load_file(weights) | {repeated[0]: torch.empty(0)}, weights, metadata={"format": "pt"})


def _same_names(model: PreTrainedModel) -> dict[str, str]:
    """Return the names that a shared weight has beside its first, and that first."""
    first: dict[int, str] = {}
    return {
        name: first[id(weight)]
        for name, weight in model.named_parameters(remove_duplicate=False)
        if first.setdefault(id(weight), name) != name and ".layer." in name
    }
