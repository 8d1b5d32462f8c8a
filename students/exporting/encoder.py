"""An encoder without bottlenecks, written to ONNX straight from its weights."""

from transformers import PreTrainedModel

from pocketbert.factorised import FactorisedEmbedding
from students.anatomy import Anatomy, Layer
from students.exporting.blocks import mask_of, norm, position_and_type
from students.exporting.graph import Graph
from students.exporting.parts import parts_of
from students.exporting.precision import Precision, array


def write_encoder(graph: Graph, precision: Precision, model: PreTrainedModel) -> str:
    """Write embeddings and layers; return the last hidden states [batch, sequence, hidden].

    There is no SkipLayerNormalization or EmbedLayerNormalization, whose kernels are several times slower on a CPU than
    Add and LayerNormalization. Layers may differ in heads and widths, as pruned ones do; what layers share (albert) is
    stored once.
    """
    parts = parts_of(model)
    x = _embeddings(graph, precision, model, parts)
    mask = mask_of(graph)
    for number, layer in enumerate(parts.layers):
        x = _layer(graph, precision, parts.activation, layer, x, mask, f"layer.{number}")
    return x


def _embeddings(graph: Graph, precision: Precision, model: PreTrainedModel, parts: Anatomy) -> str:
    """Write word + position (+ token type) embeddings, their norm and, where they are narrow, the projection."""
    total = precision.embedding(array(parts.word_embeddings.weight), "input_ids", "word")
    if isinstance(parts.word_embeddings, FactorisedEmbedding):
        total = precision.dense(parts.word_embeddings.projection, total, "word_projection")
    others = position_and_type(
        graph, model, parts.position_embeddings, parts.token_type_embeddings, parts.position_offset
    )
    for other in others:
        total = graph.op("Add", [total, other], f"embeddings_and_{other}")
    x = norm(graph, parts.embedding_norm, total, "embedding")
    projection = parts.embedding_projection
    return x if projection is None else precision.dense(projection, x, "embedding_projection")


def _layer(graph: Graph, precision: Precision, activation: str, layer: Layer, x: str, mask: str, name: str) -> str:
    linears = (layer.query, layer.key, layer.value)
    attended = precision.attention(linears, layer.heads, (x, x, x), mask, f"{name}.attention")
    attended = precision.dense(layer.output, attended, f"{name}.output")
    total = graph.op("Add", [attended, x], f"{name}.attention_sum")
    x = norm(graph, layer.attention_norm, total, f"{name}.attention")
    inner = precision.dense_activation(layer.feed_forward_in, activation, x, f"{name}.feed_forward_in")
    inner = precision.dense(layer.feed_forward_out, inner, f"{name}.feed_forward_out")
    total = graph.op("Add", [inner, x], f"{name}.feed_forward_sum")
    return norm(graph, layer.feed_forward_norm, total, f"{name}.feed_forward")
