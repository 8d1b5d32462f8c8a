"""An encoder run piece by piece on the tokens of many texts at once, padding left out.

Everything but attention treats tokens alone, so a hidden state is one matrix [N, H] of all the real tokens of all the
texts; only attention goes back to batches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name)
from transformers.activations import ACT2FN

from students.anatomy import Anatomy, Layer


@dataclass(frozen=True)
class Texts:
    """The tokens of batches of texts.

    Attributes:
        ids: token ids, [N].
        positions: place of each token in its text, from 0, [N].
        types: token types, [N].
        masks: for each batch which places hold tokens, [B, L] of bool.
        first: index of each text's first token in [N], [texts].
    """

    ids: Tensor
    positions: Tensor
    types: Tensor
    masks: tuple[Tensor, ...]
    first: Tensor


def texts_of(batches: Sequence[Mapping[str, Tensor]]) -> Texts:
    """Collect the tokens of batches with `input_ids`, `attention_mask` and perhaps `token_type_ids` (right-padded)."""
    masks = tuple(batch["attention_mask"].bool() for batch in batches)
    pairs = list(zip(batches, masks, strict=True))
    positions = torch.cat([(mask.cumsum(1) - 1)[mask] for mask in masks])
    return Texts(
        ids=torch.cat([batch["input_ids"][mask] for batch, mask in pairs]),
        positions=positions,
        types=torch.cat([batch.get("token_type_ids", torch.zeros_like(mask).long())[mask] for batch, mask in pairs]),
        masks=masks,
        first=(positions == 0).nonzero()[:, 0],
    )


def counts_of(texts: Texts, pieces: int) -> Tensor:
    """Return how often each piece of a vocabulary stands in the texts, [pieces]."""
    return torch.bincount(texts.ids, minlength=pieces)


def embedding_sum(parts: Anatomy, texts: Texts) -> Tensor:
    """Return word + position + token-type embeddings before their normalisation, [N, E]."""
    places = texts.positions + parts.position_offset
    total: Tensor = parts.word_embeddings(texts.ids) + parts.position_embeddings(places)
    if parts.token_type_embeddings is not None:
        total = total + parts.token_type_embeddings(texts.types)
    return total


def embed(parts: Anatomy, texts: Texts) -> Tensor:
    """Return the encoder's input, [N, H]."""
    hidden: Tensor = parts.embedding_norm(embedding_sum(parts, texts))
    if parts.embedding_projection is not None:
        hidden = parts.embedding_projection(hidden)
    return hidden


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, masks: Sequence[Tensor]) -> Tensor:
    """Return what attention gives before its output layer.

    Args:
        query: [N, heads * head size].
        key: of the same shape.
        value: of the same shape.
        heads: how many.
        masks: as in `Texts`.

    Returns:
        [N, heads * head size].
    """
    sizes = [int(mask.sum()) for mask in masks]
    parts = zip(query.split(sizes), key.split(sizes), value.split(sizes), masks, strict=True)
    return torch.cat([_attend_batch(q, k, v, heads, mask) for q, k, v, mask in parts])


def _attend_batch(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor) -> Tensor:
    def padded(tokens: Tensor) -> Tensor:
        whole = tokens.new_zeros(*mask.shape, tokens.shape[1])
        whole[mask] = tokens
        split: Tensor = whole.unflatten(2, (heads, -1)).transpose(1, 2)
        return split

    visible = mask[:, None, None, :]
    result = F.scaled_dot_product_attention(padded(query), padded(key), padded(value), attn_mask=visible)
    tokens: Tensor = result.transpose(1, 2).flatten(2)[mask]
    return tokens


@dataclass(frozen=True)
class LayerStates:
    """What one layer computes, all [N, width].

    Attributes:
        query: after its linear layer; so are key and value.
        context: attention's result before `output`.
        attention_sum: input + attention's output, before the normalisation.
        middle: after `attention_norm`.
        before_activation: feed-forward neurons.
        feed_forward_sum: before the last normalisation.
        result: the layer's output.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    context: Tensor
    attention_sum: Tensor
    middle: Tensor
    before_activation: Tensor
    feed_forward_sum: Tensor
    result: Tensor


def run_layer(layer: Layer, activation: str, hidden: Tensor, texts: Texts) -> LayerStates:
    """Run one encoder layer on hidden states [N, H]."""
    query, key, value = layer.query(hidden), layer.key(hidden), layer.value(hidden)
    context = attend(query, key, value, layer.heads, texts.masks)
    attention_sum = hidden + layer.output(context)
    middle = layer.attention_norm(attention_sum)
    before = layer.feed_forward_in(middle)
    feed_forward_sum = middle + layer.feed_forward_out(ACT2FN[activation](before))
    result = layer.feed_forward_norm(feed_forward_sum)
    return LayerStates(query, key, value, context, attention_sum, middle, before, feed_forward_sum, result)


def head_logits(parts: Anatomy, first: Tensor) -> Tensor:
    """Return the head's result on the first tokens' last hidden states [texts, H]."""
    for step in parts.head:
        first = step.linear(first)
        if step.activation:
            first = ACT2FN[step.activation](first)
    return first
