"""Floating-point operations of one forward pass as papers count them: 2 a multiply-add of matrix products."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit
from pocketbert.factorised import FactorisedEmbedding
from students.anatomy import Layer, anatomy


def flops(model: PreTrainedModel, length: int = 128) -> int:
    """Return 2 * multiply-adds for one text of `length` tokens.

    Counted: the linear layers of the encoder, the two products of attention (query x key, probabilities x
    value), an embedding projection, and the head (on the first token). Not counted: lookups, biases,
    normalisation, softmax and activations. BERT-base at 128 is 22.35e9 (the tables of TinyBERT and
    MobileBERT say 22.5e9).

    Args:
        model: bert, roberta, electra and distilbert are counted in closed form, without running anything;
            any other family by running it once under torch's flop counter.
        length: tokens, padding included.
    """
    try:
        parts = anatomy(model)
    except DoesNotFit:
        return counted_flops(model, length)
    encoder = sum(layer_flops(layer, length) for layer in parts.layers)
    projection = [] if parts.embedding_projection is None else [parts.embedding_projection]
    if isinstance(parts.word_embeddings, FactorisedEmbedding):
        projection.append(parts.word_embeddings.projection)
    return encoder + length * _linear_flops(projection) + _linear_flops(step.linear for step in parts.head)


def layer_flops(layer: Layer, length: int) -> int:
    """Return 2 * multiply-adds of one encoder layer for one text of `length` tokens."""
    attention = 2 * length * length * (layer.query.out_features + layer.value.out_features)
    return length * _linear_flops(_layer_linears(layer)) + attention


def counted_flops(model: PreTrainedModel, length: int = 128) -> int:
    """Return the same count by running the model once under torch's flop counter, for any family."""
    ids = torch.ones(1, length, dtype=torch.long, device=model.device)
    attention, was_training = model.config._attn_implementation, model.training
    # Lookups do not count, so a text longer than the model's positions may have any places.
    short = length > getattr(model.config, "max_position_embeddings", length)
    places = {"position_ids": torch.zeros_like(ids)} if short else {}
    # The counter knows matrix products, not every fused attention kernel.
    model.set_attn_implementation("eager")
    model.train(False)
    try:
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            model(input_ids=ids, attention_mask=torch.ones_like(ids), **places)
    finally:
        model.set_attn_implementation(attention)
        model.train(was_training)
    return int(counter.get_total_flops())


def _layer_linears(layer: Layer) -> tuple[nn.Linear, ...]:
    return layer.query, layer.key, layer.value, layer.output, layer.feed_forward_in, layer.feed_forward_out


def _linear_flops(linears: Iterable[nn.Linear]) -> int:
    return sum(2 * linear.in_features * linear.out_features for linear in linears)
