"""A model whose encoder has the weights that its file in a precision would have; activations are not rounded."""

import copy
from collections.abc import Mapping

import torch
from torch import nn
from transformers import PreTrainedModel

from students.block_quantization import dequantized, quantize_matrix
from students.exporting.precision import array
from students.exporting.precisions import MIXED, STATIC
from students.quantization import FULL_RANGE, REDUCED_RANGE, quantize
from students.quantized_parts import encoder_linears

LARGEST = {"int8": REDUCED_RANGE, "int8-full": FULL_RANGE, "int8-tables4": REDUCED_RANGE, STATIC: REDUCED_RANGE}
BITS = {"int4": 4, MIXED: 8}


def with_rounded_weights(model: PreTrainedModel, precision: str, bits: Mapping[str, int]) -> PreTrainedModel:
    """Return a copy of a model with the weights of the encoder's linear layers rounded; as it is in float precisions.

    Args:
        model: is not changed.
        precision: of `students.exporting.precisions.PRECISIONS`.
        bits: of mixed, by encoder layer.
    """
    result = copy.deepcopy(model)
    for name, linear in encoder_linears(result).items():
        own = next((number for layer, number in bits.items() if name.startswith(f"{layer}.")), BITS.get(precision))
        if precision in LARGEST or own is not None:
            _round(linear, own, LARGEST.get(precision, FULL_RANGE))
    return result


@torch.no_grad()
def _round(linear: nn.Linear, bits: int | None, largest: int) -> None:
    weight = array(linear.weight).T
    if bits is None:
        values, scale = quantize(weight, axis=0, largest=largest)
        rounded = values * scale
    else:
        rounded = dequantized(quantize_matrix(weight, bits), len(weight))
    linear.weight.copy_(torch.from_numpy(rounded.T.copy()))
