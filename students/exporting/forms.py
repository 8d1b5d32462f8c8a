"""Graphs that compute the same, of which one is the fastest on a device; which one differs between processors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from students.exporting.compact import FourBitTables
from students.exporting.four_bits import Int4, MixedBits
from students.exporting.graph import CONTRIB, Graph
from students.exporting.precision import (
    PARTS,
    Float32,
    Int8,
    Precision,
    ThreeInputs,
    ThreeLinears,
    biases,
    weight_and_bias,
)
from students.exporting.static import StandardStaticInt8, StaticInt8
from students.quantization import quantize

Maker = Callable[..., Precision]


class MergedFloat32(Float32):
    """Query, key and value as one product, where they have one input."""

    def attention(self, linears: ThreeLinears, heads: int, inputs: ThreeInputs, mask: str, name: str) -> str:
        """See Precision."""
        if len(set(inputs)) > 1:
            return super().attention(linears, heads, inputs, mask, name)
        merged = self._product(weight_and_bias(*linears)[0], inputs[0], f"{name}.{'_'.join(PARTS)}")
        sizes = self.graph.integers(f"{name}.sizes", *(linear.out_features for linear in linears))
        parts = self.graph.split_op("Split", [merged, sizes], tuple(f"{name}.{part}" for part in PARTS), axis=-1)
        bias = self.graph.constant(f"{name}.bias", biases(*linears))
        return self.graph.op("MultiHeadAttention", [*parts, bias, mask], name, CONTRIB, num_heads=heads)


class SeparateInt8(Int8):
    """Query, key and value as three products, each of which quantises its input."""

    def attention(self, linears: ThreeLinears, heads: int, inputs: ThreeInputs, mask: str, name: str) -> str:
        """See Precision."""
        parts = [
            self._product((linear,), x, f"{name}.{part}")
            for part, linear, x in zip(PARTS, linears, inputs, strict=True)
        ]
        return self.graph.op("MultiHeadAttention", [*parts, "", mask], name, CONTRIB, num_heads=heads)


class IntegerInt8(Int8):
    """Products of standard operators: DynamicQuantizeLinear, MatMulInteger, and the scales afterwards.

    An input that several products share is quantised once.
    """

    def __init__(self, graph: Graph, **settings: int) -> None:
        super().__init__(graph, **settings)
        self._quantized: dict[str, tuple[str, ...]] = {}

    def _product(self, linears: tuple[nn.Linear, ...], x: str, name: str) -> str:
        graph = self.graph
        if x not in self._quantized:
            outputs = tuple(f"{x}.{part}" for part in ("uint8", "step", "zero"))
            self._quantized[x] = graph.split_op("DynamicQuantizeLinear", [x], outputs)
        values, step, zero = self._quantized[x]
        weight, bias = weight_and_bias(*linears)
        integers, scale = quantize(weight, axis=0, largest=self.largest)
        whole = [values, graph.constant(f"{name}.weight_int8", integers), zero]
        zeros = graph.constant(f"{name}.zero_point", np.zeros(scale.size, np.int8))
        product = graph.op("MatMulInteger", [*whole, zeros], f"{name}.integer")
        product = graph.op("Cast", [product], f"{name}.float", to=TensorProto.FLOAT)
        steps = graph.op("Mul", [step, graph.constant(f"{name}.scale", scale[0])], f"{name}.steps")
        scaled = graph.op("Mul", [product, steps], f"{name}.scaled")
        return graph.op("Add", [scaled, graph.constant(f"{name}.bias", bias)], name)


@dataclass(frozen=True)
class Form:
    """One way to write a graph.

    Attributes:
        name: in metadata and file names.
        maker: of its operations.
        skips: a sum and the norm of it are one operator, SkipLayerNormalization.
    """

    name: str
    maker: Maker
    skips: bool


def _both(name: str, maker: Maker) -> tuple[Form, Form]:
    return Form(name, maker, skips=False), Form(f"{name}-skip", maker, skips=True)


class _MergedTables(FourBitTables):
    """The default of 4-bit tables."""


class _SeparateTables(FourBitTables, SeparateInt8):
    """Three products, and 4-bit tables."""


class _IntegerTables(FourBitTables, IntegerInt8):
    """Standard operators, and 4-bit tables."""


class _SeparateInt4(Int4, SeparateInt8):
    """Three products of 4 bits."""


_FLOAT = (*_both("separate", Float32), *_both("merged", MergedFloat32))
_INT8 = (*_both("merged", Int8), *_both("separate", SeparateInt8), *_both("integer", IntegerInt8))
FORMS: dict[str, tuple[Form, ...]] = {
    "fp32": _FLOAT,
    "fp16": _FLOAT,
    "int8": _INT8,
    "int8-full": _INT8,
    "int8-tables4": (
        *_both("merged", _MergedTables),
        *_both("separate", _SeparateTables),
        *_both("integer", _IntegerTables),
    ),
    "int4": (*_both("merged", Int4), *_both("separate", _SeparateInt4)),
    "mixed": _both("merged", MixedBits),
    "int8-static": (*_both("integer", StaticInt8), *_both("standard", StandardStaticInt8)),
}
"""By precision, the default first."""


def skipping(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph in which each sum that is only normalised is one operator with its norm."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    constants = {each.name for each in graph.initializer}
    sums = {
        node.output[0]: node
        for node in graph.node
        if node.op_type == "Add" and users.get(node.output[0]) == 1 and not constants & set(node.input)
    }
    nodes, joined = [], set()
    for node in graph.node:
        if node.op_type != "LayerNormalization" or node.input[0] not in sums:
            nodes.append(node)
            continue
        added = sums[node.input[0]]
        joined.add(added.output[0])
        epsilon = next(each.f for each in node.attribute if each.name == "epsilon")
        inputs = [*added.input, *node.input[1:]]
        nodes.append(
            helper.make_node(
                "SkipLayerNormalization", inputs, list(node.output), node.name, domain=CONTRIB, epsilon=epsilon
            )
        )
    kept = [node for node in nodes if not joined & set(node.output)]
    del graph.node[:]
    graph.node.extend(kept)
    return result
