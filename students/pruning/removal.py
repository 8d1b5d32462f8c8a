"""A smaller copy of a model, without what does not stay."""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from pocketbert.factorised import FactorisedEmbedding
from pocketbert.layer_sizes import write_sizes
from pocketbert.reshaping import encoder_layers, set_heads
from students.anatomy import Anatomy, anatomy
from students.pruning.coupling import remove_channels
from students.pruning.kept import Kept
from students.pruning.sizes import Sizes, sizes_of


def removed(model: PreTrainedModel, kept: Kept) -> PreTrainedModel:
    """Return a copy of a model that has only what is kept, its configuration with it; the given one stays as it is.

    All of the copy's parameters can be trained.

    Raises:
        RuntimeError: a weight does not have the shape that the sizes say, so something was removed in some places
            and not in others.
    """
    before = sizes_of(model)
    layers, wanted = [before.layers[number] for number in kept.layers], kept.sizes(before)
    smaller = copy.deepcopy(model)
    _remove_layers(smaller, kept.layers)
    remove_channels(
        smaller,
        [_without(heads, x.heads, x.head_size) for heads, x in zip(kept.heads, layers, strict=True)],
        [_without(neurons, x.feed_forward) for neurons, x in zip(kept.feed_forward, layers, strict=True)],
        _without(kept.hidden, before.hidden),
        _without(kept.head, anatomy(model).head[0].linear.out_features) if kept.head else (),
    )
    for layer, sizes in zip(encoder_layers(smaller), wanted.layers, strict=True):
        set_heads(layer, smaller.config.model_type, sizes)
    write_sizes(smaller.config, wanted)
    check_shapes(smaller, wanted)
    smaller.requires_grad_(True)
    smaller.train(model.training)
    return smaller


def _remove_layers(model: PreTrainedModel, layers: Sequence[int]) -> None:
    every = encoder_layers(model)
    stay = [every[number] for number in layers]
    del every[:]
    every.extend(stay)


def _without(kept: Sequence[int], count: int, width: int = 1) -> list[int]:
    """Return the channels of the ones of `count` that are not kept, each `width` channels."""
    return [each * width + i for each in sorted(set(range(count)) - set(kept)) for i in range(width)]


def check_shapes(model: PreTrainedModel, sizes: Sizes) -> None:
    """Raise RuntimeError unless every weight of the encoder and its head has the shape that the sizes say."""
    for name, weight, wanted in _shapes(anatomy(model), sizes):
        if tuple(weight.shape) != wanted:
            raise RuntimeError(f"{name} is {tuple(weight.shape)} after pruning, and should be {wanted}")
    if sizes_of(model) != sizes:
        raise RuntimeError(f"the model's sizes are {sizes_of(model)} after pruning, and should be {sizes}")


def _shapes(parts: Anatomy, sizes: Sizes) -> Iterator[tuple[str, torch.Tensor, tuple[int, ...]]]:
    """Yield a name, a weight and the shape that it should have."""
    hidden, width = sizes.hidden, sizes.embedding or sizes.hidden
    words = parts.word_embeddings
    if isinstance(words, FactorisedEmbedding):
        yield "the word table's projection", words.projection.weight, (width, words.embedding_dim)
    for table in (
        None if isinstance(words, FactorisedEmbedding) else words,
        parts.position_embeddings,
        parts.token_type_embeddings,
    ):
        if table is not None:
            yield "an embedding", table.weight, (table.num_embeddings, width)
    yield "the embeddings' norm", parts.embedding_norm.weight, (width,)
    if parts.embedding_projection is not None:
        yield "the embeddings' projection", parts.embedding_projection.weight, (hidden, width)
    for number, (layer, wanted) in enumerate(zip(parts.layers, sizes.layers, strict=True)):
        inner, neurons = wanted.attention, wanted.feed_forward
        for name in ("query", "key", "value"):
            yield from _linear(f"layer {number}'s {name}", getattr(layer, name), (inner, hidden))
        yield from _linear(f"layer {number}'s output", layer.output, (hidden, inner))
        yield from _linear(f"layer {number}'s feed-forward", layer.feed_forward_in, (neurons, hidden))
        yield from _linear(f"layer {number}'s feed-forward output", layer.feed_forward_out, (hidden, neurons))
        for norm in (layer.attention_norm, layer.feed_forward_norm):
            yield f"layer {number}'s norm", norm.weight, (hidden,)
    if len(parts.head) == 2:
        yield from _linear("the head", parts.head[0].linear, (hidden, hidden))
    outputs = parts.head[-1].linear.out_features
    yield from _linear("the classifier", parts.head[-1].linear, (outputs, hidden))


def _linear(
    name: str, linear: nn.Linear, shape: tuple[int, int]
) -> Iterator[tuple[str, torch.Tensor, tuple[int, ...]]]:
    yield name, linear.weight, shape
    yield f"{name}'s bias", linear.bias, shape[:1]
