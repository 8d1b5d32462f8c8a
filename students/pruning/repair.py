"""What is left refitted to what the whole model computes, layer by layer from the embeddings upwards.

As `students.cutting` does it: ridge regression on what a layer really gets, for the smallest change of its weights that
gives back what the whole model has there. The last layer before ones that were removed aims at what comes after them.
"""

import torch
from torch import Tensor
from transformers.activations import ACT2FN

from students.anatomy import Anatomy, Layer
from students.classification_head import fit_head
from students.forward import LayerStates, Texts, attend, embed, run_layer
from students.pruning.kept import Kept
from students.regression import fit_linear


@torch.no_grad()
def repair(pruned: Anatomy, whole: Anatomy, kept: Kept, texts: Texts) -> None:
    """Refit a pruned model to the one that it was, in place.

    Args:
        pruned: the model that is written.
        whole: the model before.
        kept: what stays of it.
        texts: real text; some ten thousand tokens leave little to chance.
    """
    hidden, dense = embed(pruned, texts), embed(whole, texts)
    stream = torch.tensor(kept.hidden, device=hidden.device)
    for layer in whole.layers[: kept.layers[0]]:
        dense = run_layer(layer, whole.activation, dense, texts).result
    ends = [*kept.layers[1:], len(whole.layers)]
    for place, (first, end) in enumerate(zip(kept.layers, ends, strict=True)):
        states = run_layer(whole.layers[first], whole.activation, dense, texts)
        last = states
        for skipped in whole.layers[first + 1 : end]:
            last = run_layer(skipped, whole.activation, last.result, texts)
        middle = _attention(pruned.layers[place], whole.layers[first], states, hidden, kept, place, texts)
        active = ACT2FN[pruned.activation](pruned.layers[place].feed_forward_in(middle))
        hidden = _feed_forward(pruned.layers[place], whole.layers[end - 1], last, middle, active, stream)
        dense = last.result
    if len(kept.hidden) < whole.hidden:
        fit_head(pruned, whole, hidden[texts.first], dense[texts.first], stream)


def _attention(
    layer: Layer, source: Layer, states: LayerStates, hidden: Tensor, kept: Kept, place: int, texts: Texts
) -> Tensor:
    """Refit attention and what reads a state that is narrower than before; return what the neurons read."""
    stream = torch.tensor(kept.hidden, device=hidden.device)
    narrower = len(kept.hidden) < source.query.in_features
    if narrower:
        _fit_readers(layer, source, states, hidden, kept.heads[place])
    middle = _fit_output(layer, states, hidden, stream, texts)
    if narrower:
        chosen = torch.tensor(kept.feed_forward[place], device=hidden.device)
        _refit(layer.feed_forward_in, middle, states.before_activation[:, chosen])
    return middle


def _feed_forward(
    layer: Layer, end: Layer, last: LayerStates, middle: Tensor, active: Tensor, stream: Tensor
) -> Tensor:
    """Refit what the neurons add to the residual stream to the last removed layer's result; return the layer's."""
    layer.feed_forward_norm.weight.copy_(end.feed_forward_norm.weight[stream])
    layer.feed_forward_norm.bias.copy_(end.feed_forward_norm.bias[stream])
    _refit(layer.feed_forward_out, active, last.feed_forward_sum[:, stream] - middle)
    result: Tensor = layer.feed_forward_norm(middle + layer.feed_forward_out(active))
    return result


def _fit_readers(layer: Layer, source: Layer, states: LayerStates, hidden: Tensor, heads: tuple[int, ...]) -> None:
    """Refit query, key and value, which read a narrower state than they were trained on."""
    for linear, values in ((layer.query, states.query), (layer.key, states.key), (layer.value, states.value)):
        wanted = values.unflatten(1, (source.heads, -1))[:, list(heads)].flatten(1)
        _refit(linear, hidden, wanted)


def _fit_output(layer: Layer, states: LayerStates, hidden: Tensor, stream: Tensor, texts: Texts) -> Tensor:
    """Refit what attention adds to the residual stream; return what the feed-forward block reads."""
    query, key, value = layer.query(hidden), layer.key(hidden), layer.value(hidden)
    context = attend(query, key, value, layer.heads, texts.masks)
    _refit(layer.output, context, states.attention_sum[:, stream] - hidden)
    middle: Tensor = layer.attention_norm(hidden + layer.output(context))
    return middle


def _refit(linear: torch.nn.Linear, inputs: Tensor, targets: Tensor) -> None:
    fit_linear(linear, linear.weight.clone(), linear.bias.clone(), inputs, targets)
