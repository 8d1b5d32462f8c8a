"""What a model's encoder measures, and what that costs."""

from transformers import PreTrainedModel

from pocketbert.layer_sizes import LayerSizes, Sizes
from students.anatomy import Layer, anatomy

__all__ = [
    "LENGTH",
    "MEASURED",
    "LayerSizes",
    "Sizes",
    "encoder_flops",
    "encoder_parameters",
    "layer_flops",
    "sizes_of",
]

LENGTH = 128
"""Tokens of the text whose operations are counted."""


def sizes_of(model: PreTrainedModel) -> Sizes:
    """Return the sizes of a bert, roberta, electra or distilbert model, as its weights have them.

    Raises:
        DoesNotFit: the model is of another family.
    """
    parts = anatomy(model)
    projection = parts.embedding_projection
    return Sizes(
        hidden=parts.hidden,
        embedding=0 if projection is None else projection.in_features,
        layers=tuple(_layer(layer) for layer in parts.layers),
    )


def _layer(layer: Layer) -> LayerSizes:
    return LayerSizes(layer.heads, layer.head_size, layer.feed_forward_in.out_features)


def encoder_flops(sizes: Sizes, length: int = LENGTH) -> int:
    """Return 2 * multiply-adds of the layers for one text of `length` tokens; biases and norms are not counted."""
    return sum(layer_flops(layer, sizes.hidden, length) for layer in sizes.layers)


def layer_flops(layer: LayerSizes, hidden: int, length: int = LENGTH) -> int:
    """Return 2 * multiply-adds of one layer: linear layers, and attention's two products."""
    linear = 2 * length * hidden * (4 * layer.attention + 2 * layer.feed_forward)
    return linear + 4 * length * length * layer.attention


def encoder_parameters(sizes: Sizes) -> int:
    """Return the parameters of the layers, biases and norms included."""
    return sum(layer_parameters(layer, sizes.hidden) for layer in sizes.layers)


def layer_parameters(layer: LayerSizes, hidden: int) -> int:
    """Return the parameters of one layer."""
    weights = hidden * (4 * layer.attention + 2 * layer.feed_forward)
    biases = 3 * layer.attention + layer.feed_forward + 2 * hidden
    return weights + biases + 4 * hidden


MEASURED = {"flops": encoder_flops, "parameters": encoder_parameters}
"""What a model's sizes alone tell."""
