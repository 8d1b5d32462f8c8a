"""A BERT-like classifier written to ONNX straight from its weights: bert, roberta, electra, distilbert."""

from collections.abc import Callable

import onnx
from torch import nn
from transformers import PreTrainedModel

from students.anatomy import Layer, anatomy
from students.architecture import FAMILIES
from students.exporting.graph import Graph
from students.exporting.precision import ACTIVATIONS, Float32, Precision, activation, array

_INT32 = onnx.TensorProto.INT32
_INT64 = onnx.TensorProto.INT64


def can_write(model: PreTrainedModel) -> bool:
    """Tell whether `write_classifier` knows the model's family, head and activation."""
    family, kind = model.config.model_type, type(model).__name__.lower()
    if family not in FAMILIES or kind != f"{family}forsequenceclassification":
        return False
    return not getattr(model.config, "is_decoder", False) and anatomy(model).activation in ACTIVATIONS


def input_names(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the graph's inputs: a token type is asked for only where the model knows more than one."""
    names = ("input_ids", "attention_mask")
    return (*names, "token_type_ids") if getattr(model.config, "type_vocab_size", 0) > 1 else names


def write_classifier(model: PreTrainedModel, precision: Callable[[Graph], Precision] = Float32) -> onnx.ModelProto:
    """Return the model as an ONNX graph with dynamic batch and sequence.

    Args:
        model: a model for which `can_write` holds; its weights are read, nothing is run.
        precision: Float32 or Int8; the head stays float32 in both (it is tiny and decides).

    Returns:
        A graph from int64 `input_ids`, `attention_mask` (and `token_type_ids`) [batch, sequence] to `logits`
        [batch, classes]. It holds no SkipLayerNormalization or EmbedLayerNormalization, whose kernels are
        several times slower on a CPU than Add and LayerNormalization.
    """
    graph = Graph()
    writer = _Writer(graph, precision(graph), model)
    return graph.model(input_names(model), writer.write(), writer.parts.head[-1].linear.out_features)


class _Writer:
    """Writes one model into one graph; every method returns the name of its output tensor."""

    def __init__(self, graph: Graph, precision: Precision, model: PreTrainedModel) -> None:
        self.graph, self.precision, self.model = graph, precision, model
        self.parts = anatomy(model)

    def write(self) -> str:
        x = self._embeddings()
        mask = self.graph.op("Cast", ["attention_mask"], "mask", to=_INT32)
        for number, layer in enumerate(self.parts.layers):
            x = self._layer(layer, x, mask, f"layer.{number}")
        return self._head(x)

    def _embeddings(self) -> str:
        """Write word + position (+ token type) embeddings, their norm and, for electra, the projection."""
        graph, parts = self.graph, self.parts
        word = self.precision.embedding(array(parts.word_embeddings.weight), "input_ids", "word")
        table, types = array(parts.position_embeddings.weight), parts.token_type_embeddings
        asks_for_types = "token_type_ids" in input_names(self.model)
        if types is not None and not asks_for_types:
            table = table + array(types.weight)[0]
        position = self._positions(graph.constant("position.weight", table))
        total = graph.op("Add", [word, position], "word_position")
        if types is not None and asks_for_types:
            constant = graph.constant("type.weight", array(types.weight))
            kinds = graph.op("Gather", [constant, "token_type_ids"], "type")
            total = graph.op("Add", [total, kinds], "word_position_type")
        x = self._norm(parts.embedding_norm, total, "embedding")
        projection = parts.embedding_projection
        return x if projection is None else self.precision.dense(projection, x, "embedding_projection")

    def _positions(self, table: str) -> str:
        """Write the position embeddings: the table's first rows, or for roberta those counted from the ids.

        Roberta counts tokens that are not padding, from `pad_token_id` + 1; padding has the row
        `pad_token_id`.
        """
        graph = self.graph
        if self.parts.position_offset == 0:
            length = graph.op("Shape", ["input_ids"], "length", start=1, end=2)
            return graph.op("Slice", [table, graph.integers("zero", 0), length], "position")
        pad = graph.integer("pad", self.parts.position_offset - 1)
        is_token = graph.op("Not", [graph.op("Equal", ["input_ids", pad], "is_padding")], "is_token")
        ones = graph.op("Cast", [is_token], "token_ones", to=_INT64)
        count = graph.op("CumSum", [ones, graph.integer("sequence_axis", 1)], "token_count")
        counted = graph.op("Mul", [count, ones], "token_number")
        return graph.op("Gather", [table, graph.op("Add", [counted, pad], "position_ids")], "position")

    def _layer(self, layer: Layer, x: str, mask: str, name: str) -> str:
        linears = (layer.query, layer.key, layer.value)
        attended = self.precision.attention(linears, layer.heads, x, mask, f"{name}.attention")
        attended = self.precision.dense(layer.output, attended, f"{name}.output")
        total = self.graph.op("Add", [attended, x], f"{name}.attention_sum")
        x = self._norm(layer.attention_norm, total, f"{name}.attention")
        inner = self.precision.dense_activation(
            layer.feed_forward_in, self.parts.activation, x, f"{name}.feed_forward_in"
        )
        inner = self.precision.dense(layer.feed_forward_out, inner, f"{name}.feed_forward_out")
        total = self.graph.op("Add", [inner, x], f"{name}.feed_forward_sum")
        return self._norm(layer.feed_forward_norm, total, f"{name}.feed_forward")

    def _norm(self, norm: nn.LayerNorm, x: str, name: str) -> str:
        scale = self.graph.constant(f"{name}.norm.weight", array(norm.weight))
        shift = self.graph.constant(f"{name}.norm.bias", array(norm.bias))
        inputs = [x, scale, shift]
        return self.graph.op("LayerNormalization", inputs, f"{name}.norm", axis=-1, epsilon=norm.eps)

    def _head(self, x: str) -> str:
        """Write the head's steps on the first token's hidden state; the last step gives the logits."""
        x = self.graph.op("Gather", [x, self.graph.integer("first_token", 0)], "first", axis=1)
        *inner, last = self.parts.head
        for number, step in enumerate(inner):
            dense = self._gemm(step.linear, x, f"head.{number}.dense")
            x = activation(self.graph, step.activation, dense, f"head.{number}")
        return self._gemm(last.linear, x, "logits")

    def _gemm(self, linear: nn.Linear, x: str, name: str) -> str:
        weight = self.graph.constant(f"{name}.weight", array(linear.weight))
        bias = self.graph.constant(f"{name}.bias", array(linear.bias))
        return self.graph.op("Gemm", [x, weight, bias], name, transB=1)
