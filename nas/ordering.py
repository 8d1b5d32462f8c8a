"""Puts what matters most first in a model, without changing what it answers, so that its first part is its best."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import ACT2FN

from students.anatomy import Anatomy, Layer, anatomy
from students.forward import LayerStates, embed, run_layer, texts_of
from students.selection import covariance, layer_importance


@torch.no_grad()
def order(model: PreTrainedModel, batches: Sequence[Mapping[str, Tensor]]) -> None:
    """Sort a model's residual dimensions, and in each layer its heads and neurons, the most important first.

    Importance is that of `students.selection`. The model answers as before, up to rounding.

    Args:
        model: bert, roberta, electra or distilbert, in evaluation mode; changed in place.
        batches: of real text, as the model reads it.
    """
    parts, texts = anatomy(model), texts_of(batches)
    hidden = embed(parts, texts)
    importance = hidden.new_zeros(parts.hidden)
    for layer in parts.layers:
        states = run_layer(layer, parts.activation, hidden, texts)
        importance += layer_importance(layer, hidden, states)
        hidden = states.result
        _sort_heads(layer, states)
        _sort_neurons(layer, states, parts.activation)
    if parts.head:
        importance += hidden[texts.first].var(0) * parts.head[0].linear.weight.square().sum(0)
    _sort_residual(parts, importance.argsort(descending=True))


def _sort_heads(layer: Layer, states: LayerStates) -> None:
    context = states.context.unflatten(1, (layer.heads, -1))
    output = layer.output.weight.unflatten(1, (layer.heads, -1))
    energy = [
        (covariance(context[:, head]) @ output[:, head].T @ output[:, head]).trace() for head in range(layer.heads)
    ]
    order = torch.stack(energy).argsort(descending=True)
    places = torch.arange(layer.query.out_features).unflatten(0, (layer.heads, -1))[order].flatten()
    for linear in (layer.query, layer.key, layer.value):
        _rows(linear, places)
    layer.output.weight.copy_(layer.output.weight[:, places].clone())


def _sort_neurons(layer: Layer, states: LayerStates, activation: str) -> None:
    moments = ACT2FN[activation](states.before_activation).square().sum(0)
    places = (moments * layer.feed_forward_out.weight.square().sum(0)).argsort(descending=True)
    _rows(layer.feed_forward_in, places)
    layer.feed_forward_out.weight.copy_(layer.feed_forward_out.weight[:, places].clone())


def _sort_residual(parts: Anatomy, places: Tensor) -> None:
    if parts.embedding_projection is None:
        tables = (parts.word_embeddings, parts.position_embeddings, parts.token_type_embeddings)
        for table in tables:
            if table is not None:
                table.weight.copy_(table.weight[:, places].clone())
        _norm(parts.embedding_norm, places)
    else:
        _rows(parts.embedding_projection, places)
    for layer in parts.layers:
        for linear in (layer.query, layer.key, layer.value, layer.feed_forward_in):
            linear.weight.copy_(linear.weight[:, places].clone())
        for linear in (layer.output, layer.feed_forward_out):
            _rows(linear, places)
        _norm(layer.attention_norm, places)
        _norm(layer.feed_forward_norm, places)
    for number, step in enumerate(parts.head):
        step.linear.weight.copy_(step.linear.weight[:, places].clone())
        if number < len(parts.head) - 1:
            _rows(step.linear, places)  # a slice of the head's middle is that of the stream


def _rows(linear: nn.Linear, places: Tensor) -> None:
    linear.weight.copy_(linear.weight[places].clone())
    linear.bias.copy_(linear.bias[places].clone())


def _norm(norm: nn.LayerNorm, places: Tensor) -> None:
    norm.weight.copy_(norm.weight[places].clone())
    norm.bias.copy_(norm.bias[places].clone())
