"""How one graph is written in float32 and in int8: the four operations that differ between the two."""

import itertools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from onnx import TensorProto
from torch import nn

from students.exporting.graph import CONTRIB, Graph
from students.quantization import REDUCED_RANGE, quantize

FloatArray = npt.NDArray[np.float32]
ThreeLinears = tuple[nn.Linear, nn.Linear, nn.Linear]
ThreeInputs = tuple[str, str, str]
PARTS = ("query", "key", "value")
FLOAT = TensorProto.FLOAT

ACTIVATIONS = {"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh"}
"""Names of the transformers library that `activation` can write."""

_TANH_GELU = {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"}


def array(tensor: torch.Tensor) -> FloatArray:
    """Return a parameter's values as float32, whatever device and precision it has."""
    return np.asarray(tensor.detach().float().cpu().numpy())


def weight_and_bias(*linears: nn.Linear) -> tuple[FloatArray, FloatArray]:
    """Return the weight [in, out] and bias [out] of linear layers side by side (a missing bias is zero)."""
    return np.concatenate([array(linear.weight).T for linear in linears], axis=1), biases(*linears)


def biases(*linears: nn.Linear) -> FloatArray:
    """Return the biases of linear layers side by side; a missing one is zero."""
    return np.concatenate([np.zeros(x.out_features, np.float32) if x.bias is None else array(x.bias) for x in linears])


def activation(graph: Graph, kind: str, x: str, name: str) -> str:
    """Write the activation function `kind` (one of ACTIVATIONS) on tensor `x`."""
    if kind == "gelu":
        return graph.op("Gelu", [x], name, CONTRIB)
    if kind in _TANH_GELU:
        return graph.op("FastGelu", [x], name, CONTRIB)
    if kind in {"silu", "swish"}:
        return graph.op("Mul", [x, graph.op("Sigmoid", [x], f"{name}.sigmoid")], name)
    return graph.op({"relu": "Relu", "tanh": "Tanh"}[kind], [x], name)


class Precision(Protocol):
    """The operations of an encoder that depend on the precision; each adds nodes to the precision's graph.

    Tensors are named; their shapes are [batch, sequence, width].
    """

    def embedding(self, table: FloatArray, ids: str, name: str) -> str:
        """Look rows [batch, sequence] up in a table [entries, width]."""
        ...

    def dense(self, linear: nn.Linear, x: str, name: str) -> str:
        """Apply a linear layer with its bias."""
        ...

    def attention(self, linears: ThreeLinears, heads: int, inputs: ThreeInputs, mask: str, name: str) -> str:
        """Project to query, key and value, each from its input, and attend.

        `mask` is int32 [batch, sequence], 0 for padding.
        """
        ...

    def dense_activation(self, linear: nn.Linear, kind: str, x: str, name: str) -> str:
        """Apply a linear layer and the activation function `kind`."""
        ...


class Float32:
    """Three MatMuls whose merged bias MultiHeadAttention adds; BiasGelu; all else as PyTorch does it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def embedding(self, table: FloatArray, ids: str, name: str) -> str:
        """See Precision."""
        return self.graph.op("Gather", [self.graph.constant(f"{name}.weight", table), ids], name)

    def dense(self, linear: nn.Linear, x: str, name: str) -> str:
        """See Precision."""
        weight, bias = weight_and_bias(linear)
        product = self._product(weight, x, name)
        return self.graph.op("Add", [product, self.graph.constant(f"{name}.bias", bias)], name)

    def attention(self, linears: ThreeLinears, heads: int, inputs: ThreeInputs, mask: str, name: str) -> str:
        """See Precision."""
        parts = [
            self._product(weight_and_bias(linear)[0], x, f"{name}.{part}")
            for part, linear, x in zip(PARTS, linears, inputs, strict=True)
        ]
        bias = self.graph.constant(f"{name}.bias", biases(*linears))
        return self.graph.op("MultiHeadAttention", [*parts, bias, mask], name, CONTRIB, num_heads=heads)

    def dense_activation(self, linear: nn.Linear, kind: str, x: str, name: str) -> str:
        """See Precision."""
        if kind != "gelu":
            return activation(self.graph, kind, self.dense(linear, x, f"{name}.dense"), name)
        weight, bias = weight_and_bias(linear)
        product = self._product(weight, x, name)
        return self.graph.op("BiasGelu", [product, self.graph.constant(f"{name}.bias", bias)], name, CONTRIB)

    def _product(self, weight: FloatArray, x: str, name: str) -> str:
        return self.graph.op("MatMul", [x, self.graph.constant(f"{name}.weight", weight)], f"{name}.product")


class Int8:
    """DynamicQuantizeMatMul per output channel, and int8 tables with a scale per row (standard operators).

    Activations are quantised as they run, with one scale a tensor. Query, key and value are one product, so
    that their input is quantised once.

    Args:
        graph: where to write.
        largest: the integer for the largest weight of a channel (127; 63 keeps sums within int16).
    """

    def __init__(self, graph: Graph, largest: int = REDUCED_RANGE) -> None:
        self.graph, self.largest = graph, largest

    def embedding(self, table: FloatArray, ids: str, name: str) -> str:
        """See Precision."""
        values, scale = quantize(table, axis=1)
        graph = self.graph
        rows = graph.op("Gather", [graph.constant(f"{name}.weight_int8", values), ids], f"{name}.int8")
        scales = graph.op("Gather", [graph.constant(f"{name}.scale", scale), ids], f"{name}.scales")
        return graph.op("Mul", [graph.op("Cast", [rows], f"{name}.float", to=FLOAT), scales], name)

    def dense(self, linear: nn.Linear, x: str, name: str) -> str:
        """See Precision."""
        return self._product((linear,), x, name)

    def attention(self, linears: ThreeLinears, heads: int, inputs: ThreeInputs, mask: str, name: str) -> str:
        """See Precision."""
        parts: list[str] = []
        for x, group in itertools.groupby(zip(PARTS, linears, inputs, strict=True), key=lambda each: each[2]):
            parts += self._projected([(part, linear) for part, linear, _ in group], x, name)
        return self.graph.op("MultiHeadAttention", [*parts, "", mask], name, CONTRIB, num_heads=heads)

    def _projected(self, named: Sequence[tuple[str, nn.Linear]], x: str, name: str) -> Sequence[str]:
        """Write projections of one input as one product, and split it."""
        names, linears = tuple(f"{name}.{part}" for part, _ in named), tuple(linear for _, linear in named)
        if len(named) == 1:
            return [self._product(linears, x, names[0])]
        merged = self._product(linears, x, f"{name}.{'_'.join(part for part, _ in named)}")
        sizes = self.graph.integers(f"{name}.sizes", *(linear.out_features for linear in linears))
        return self.graph.split_op("Split", [merged, sizes], names, axis=-1)

    def dense_activation(self, linear: nn.Linear, kind: str, x: str, name: str) -> str:
        """See Precision."""
        return activation(self.graph, kind, self.dense(linear, x, f"{name}.dense"), name)

    def _product(self, linears: tuple[nn.Linear, ...], x: str, name: str) -> str:
        weight, bias = weight_and_bias(*linears)
        values, scale = quantize(weight, axis=0, largest=self.largest)
        constants = [
            self.graph.constant(f"{name}.weight_int8", values),
            self.graph.constant(f"{name}.scale", scale[0]),
            self.graph.constant(f"{name}.zero_point", np.zeros(scale.size, np.int8)),
            self.graph.constant(f"{name}.bias", bias),
        ]
        return self.graph.op("DynamicQuantizeMatMul", [x, *constants], name, CONTRIB)
