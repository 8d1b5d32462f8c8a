"""What is worth keeping of a teacher: residual dimensions, attention heads, directions in a head, neurons."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.activations import ACT2FN

from students.anatomy import Layer
from students.forward import LayerStates

TOKENS_AT_ONCE = 4096
"""A layer's neurons are several times as wide as its hidden states."""


def covariance(values: Tensor) -> Tensor:
    """Return the covariance [D, D] of values [N, D]."""
    centred = values - values.mean(0)
    return centred.T @ centred / len(values)


def strongest(importance: Tensor, count: int) -> Tensor:
    """Return the indices of the `count` largest entries, in their order in the teacher."""
    return importance.topk(count).indices.sort().values


def layer_importance(layer: Layer, hidden: Tensor, states: LayerStates) -> Tensor:
    """Return how much each residual dimension drives one layer, [H]: variance times the readers' squared weights."""
    readers = (layer.query, layer.key, layer.value)
    attention = sum((linear.weight.square().sum(0) for linear in readers), hidden.new_zeros(hidden.shape[1]))
    feed_forward = layer.feed_forward_in.weight.square().sum(0)
    return hidden.var(0) * attention + states.middle.var(0) * feed_forward


def neurons(layer: Layer, before: Tensor, activation: str, count: int) -> Tensor:
    """Return the feed-forward neurons that contribute most: second moment times squared output weights.

    `before` holds the neurons before their activation, [N, width].
    """
    parts = before.split(TOKENS_AT_ONCE)
    moments = sum((ACT2FN[activation](part).square().sum(0) for part in parts), torch.zeros(()))
    return strongest(moments * layer.feed_forward_out.weight.square().sum(0), count)


def heads(layer: Layer, states: LayerStates, count: int) -> list[int]:
    """Return the heads whose contribution to the residual stream varies most."""
    context = states.context.unflatten(1, (layer.heads, -1))
    output = layer.output.weight.unflatten(1, (layer.heads, -1))
    energy = [
        (covariance(context[:, head]) @ output[:, head].T @ output[:, head]).trace() for head in range(layer.heads)
    ]
    return [int(head) for head in strongest(torch.stack(energy), count)]


@dataclass(frozen=True)
class HeadReduction:
    """Linear maps that make a head of size D one of size d.

    Attributes:
        query: [d, D]; also `key` and `value`.
        output: [D, d], gives back the context that the output layer reads.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor


def reduce_head(query: Tensor, key: Tensor, context: Tensor, output: Tensor, size: int) -> HeadReduction:
    """Return the maps that keep most of a head's scores and of what it adds to the residual stream.

    A head's queries and keys may be turned by any matrix and its inverse without changing a score, so the best `size`
    directions are those of a singular value decomposition, not `size` of the coordinates. A part of a key that is the
    same for all tokens shifts all scores of a query alike, which the softmax ignores: keys are centred.

    Args:
        query: the teacher's, [N, D]; so are `key` and `context`, attention's result.
        key: see `query`.
        context: see `query`.
        output: the output layer's weights for this head and the kept residual dimensions, [H, D].
        size: d, at most D; with d = D nothing changes.
    """
    width = query.shape[1]
    if size == width:
        same = torch.eye(width, dtype=query.dtype, device=query.device)
        return HeadReduction(same, same, same, same)
    query_map, key_map = _score_maps(query.T @ query / len(query), covariance(key), size)
    spread = covariance(context)
    value_map = _context_map(spread, output, size)
    restored = spread @ value_map.T @ torch.linalg.pinv(value_map @ spread @ value_map.T)
    # Scores are divided by the root of the head size, which is now smaller.
    scale = (size / width) ** 0.25
    return HeadReduction(scale * query_map, scale * key_map, value_map, restored)


def _score_maps(queries: Tensor, keys: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return maps [d, D] whose products of queries and keys have the least squared error."""
    query_root, query_inverse = _roots(queries)
    key_root, key_inverse = _roots(keys)
    left, strength, right = torch.linalg.svd(query_root @ key_root)
    root = strength[:size].sqrt()[:, None]
    query_map = root * (left[:, :size].T @ query_inverse)
    key_map = root * (right[:size] @ key_inverse)
    return query_map.to(queries.dtype), key_map.to(queries.dtype)


def _context_map(spread: Tensor, output: Tensor, size: int) -> Tensor:
    """Return the orthonormal map [d, D] that keeps most of the variance of output @ context."""
    root, inverse = _roots(spread)
    right = torch.linalg.svd(output.double() @ root, full_matrices=False).Vh
    basis: Tensor = torch.linalg.qr((right[:size] @ inverse).T).Q
    return basis.T.to(output.dtype)


def _roots(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Return the root of a symmetric matrix and its pseudo-inverse, in float64."""
    values, vectors = torch.linalg.eigh(moments.double())
    values = values.clamp_min(float(values.max()) * 1e-7 + torch.finfo(torch.float32).tiny)
    return (vectors * values.sqrt()) @ vectors.T, (vectors / values.sqrt()) @ vectors.T
