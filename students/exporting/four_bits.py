"""Products of 4 or 8 bits with a scale for every block of inputs (onnxruntime's MatMulNBits)."""

from collections.abc import Mapping

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit
from students.block_quantization import BLOCK, Blocks, packed, quantize_matrix
from students.exporting.compact import FourBitTables
from students.exporting.graph import CONTRIB, Graph
from students.exporting.precision import FloatArray, weight_and_bias
from students.sensitivity import HIGH, LOW, layers_of

IN_INT8 = 4
"""MatMulNBits' accuracy level at which inputs are quantised to int8, a block at a time, and summed as integers."""

BITS = 4


class Int4(FourBitTables):
    """Every product of the encoder in 4 bits a weight, and word embeddings of 4 bits."""

    def _product(self, linears: tuple[nn.Linear, ...], x: str, name: str) -> str:
        weight, bias = weight_and_bias(*linears)
        constants, attributes = block_product(weight, self.bits_of(linears))
        inputs = [self.graph.constant(f"{name}.{part}", values) for part, values in constants.items()]
        more = ["", self.graph.constant(f"{name}.bias", bias)]
        return self.graph.op("MatMulNBits", [x, *inputs, *more], name, CONTRIB, **attributes)

    def bits_of(self, linears: tuple[nn.Linear, ...]) -> int:
        """Return the bits of a product's weights."""
        return BITS


def block_product(weight: FloatArray, bits: int = BITS) -> tuple[Mapping[str, np.ndarray], Mapping[str, int]]:
    """Return MatMulNBits' constants by name, in the order of its inputs, and its attributes.

    Args:
        weight: [in, out].
        bits: 4 or 8.
    """
    blocks: Blocks = quantize_matrix(weight, bits)
    constants: dict[str, np.ndarray] = {
        f"weight_int{bits}": packed(blocks.codes, bits),
        "scale": blocks.scale,
        "zero_points": packed(blocks.zero_points, bits),
    }
    size = {"K": weight.shape[0], "N": weight.shape[1]}
    return constants, {**size, "bits": bits, "block_size": BLOCK, "accuracy_level": IN_INT8}


class MixedBits(Int4):
    """Products of 4 or of 8 bits, as is chosen for each encoder layer.

    Args:
        graph: where to write.
        model: as it is written.
        bits: 4 or 8 by layer; see `students.sensitivity.layers_of`.
        settings: of Int8.

    Raises:
        DoesNotFit: the layers are another model's, or have other bits.
    """

    def __init__(self, graph: Graph, model: PreTrainedModel, bits: Mapping[str, int], **settings: int) -> None:
        super().__init__(graph, **settings)
        layers = layers_of(model)
        if set(layers) != set(bits):
            raise DoesNotFit(f"the bits are of another model: {min(set(layers) ^ set(bits))} is in one of them alone")
        if wrong := [name for name, each in bits.items() if each not in (LOW, HIGH)]:
            raise DoesNotFit(f"{wrong[0]} has {bits[wrong[0]]} bits, and a layer has {LOW} or {HIGH}")
        self._bits = {id(linear): bits[name] for name, linears in layers.items() for linear in linears}

    def bits_of(self, linears: tuple[nn.Linear, ...]) -> int:
        """See Int4."""
        return max(self._bits[id(linear)] for linear in linears)
