"""MobileBERT and IB-BERT written to ONNX straight from their weights.

NoNorms are folded away before, where that can be (`students.exporting.folding`).
"""

from typing import Any

from transformers import PreTrainedModel

from students.exporting.blocks import mask_of, norm, position_and_type
from students.exporting.graph import Graph
from students.exporting.precision import Precision, array

Module = Any
"""Of transformers' MobileBERT, whose classes it does not export."""

_NEXT, _BEFORE = (0, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, 0)
"""What is padded around the axes batch, sequence and width: a row behind or before the sequence."""


def write_mobilebert(graph: Graph, precision: Precision, model: PreTrainedModel) -> str:
    """Write embeddings and layers; return the last hidden states [batch, sequence, hidden]."""
    encoder: Module = model.base_model
    x = _embeddings(graph, precision, model, encoder.embeddings)
    mask = mask_of(graph)
    for number, layer in enumerate(encoder.encoder.layer):
        x = _Layer(graph, precision, model.config.hidden_act, f"layer.{number}").write(layer, x, mask)
    return x


def _embeddings(graph: Graph, precision: Precision, model: PreTrainedModel, table: Module) -> str:
    total = precision.embedding(array(table.word_embeddings.weight), "input_ids", "word")
    if table.trigram_input:
        total = _trigram(graph, total)
    if table.trigram_input or table.embedding_size != table.hidden_size:
        total = precision.dense(table.embedding_transformation, total, "embedding_transformation")
    for other in position_and_type(graph, model, table.position_embeddings, table.token_type_embeddings):
        total = graph.op("Add", [total, other], f"embeddings_and_{other}")
    return norm(graph, table.LayerNorm, total, "embedding")


def _trigram(graph: Graph, x: str) -> str:
    """Write every token's embedding beside that of the next and of the one before it, 0 beyond the ends."""
    axis, first = graph.integers("sequence", 1), graph.integers("first", 1)
    later = graph.op("Slice", [x, first, graph.integers("sequence_end", 2**31 - 1), axis], "word.later")
    earlier = graph.op("Slice", [x, graph.integers("zero", 0), graph.integers("but_last", -1), axis], "word.earlier")
    behind = graph.op("Pad", [later, graph.integers("row_behind", *_NEXT)], "word.next")
    before = graph.op("Pad", [earlier, graph.integers("row_before", *_BEFORE)], "word.before")
    return graph.op("Concat", [behind, x, before], "word.three", axis=2)


class _Layer:
    def __init__(self, graph: Graph, precision: Precision, activation: str, name: str) -> None:
        self._graph, self._precision, self._activation, self._name = graph, precision, activation, name

    def write(self, layer: Module, x: str, mask: str) -> str:
        """Write one layer on the state between the blocks; return that state behind it."""
        shrunk, inputs = self._inputs(layer, x)
        attention = layer.attention.self
        linears = (attention.query, attention.key, attention.value)
        inner = self._precision.attention(
            linears, attention.num_attention_heads, inputs, mask, f"{self._name}.attention"
        )
        inner = self._added(layer.attention.output, inner, shrunk, "attention_output")
        for number, block in enumerate(getattr(layer, "ffn", ())):
            inner = self._feed_forward(block.intermediate, block.output, inner, f"feed_forward.{number}")
        inner = self._feed_forward(layer.intermediate, layer.output, inner, "feed_forward")
        return self._added(layer.output.bottleneck, inner, x, "widened") if layer.use_bottleneck else inner

    def _inputs(self, layer: Module, x: str) -> tuple[str, tuple[str, str, str]]:
        """Write what shrinks the state; return what the blocks add to, and what queries, keys and values read."""
        if not layer.use_bottleneck:
            return x, (x, x, x)
        bottleneck = layer.bottleneck
        shrunk = self._shrunk(bottleneck.input, x, "shrunk")
        if bottleneck.use_bottleneck_attention:
            return shrunk, (shrunk, shrunk, shrunk)
        if not bottleneck.key_query_shared_bottleneck:
            return shrunk, (x, x, x)
        shared = self._shrunk(bottleneck.attention, x, "shared")
        return shrunk, (shared, shared, x)

    def _shrunk(self, module: Module, x: str, name: str) -> str:
        name = f"{self._name}.{name}"
        return norm(self._graph, module.LayerNorm, self._precision.dense(module.dense, x, name), name)

    def _feed_forward(self, inner: Module, output: Module, x: str, name: str) -> str:
        hidden = self._precision.dense_activation(inner.dense, self._activation, x, f"{self._name}.{name}_in")
        return self._added(output, hidden, x, f"{name}_out")

    def _added(self, module: Module, x: str, residual: str, name: str) -> str:
        name = f"{self._name}.{name}"
        total = self._graph.op("Add", [self._precision.dense(module.dense, x, name), residual], f"{name}_sum")
        return norm(self._graph, module.LayerNorm, total, name)
