"""What every writer of a graph uses: norms, float32 products, and the embeddings of position and type."""

import onnx
from torch import nn
from transformers import PreTrainedModel

from students.exporting.graph import Graph
from students.exporting.precision import array

_INT32 = onnx.TensorProto.INT32


def input_names(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the graph's inputs: a token type is asked for only where the model knows more than one."""
    names = ("input_ids", "attention_mask")
    return (*names, "token_type_ids") if getattr(model.config, "type_vocab_size", 0) > 1 else names


def mask_of(graph: Graph) -> str:
    """Write the mask as attention wants it: int32 [batch, sequence], 0 for padding."""
    return graph.op("Cast", ["attention_mask"], "mask", to=_INT32)


def norm(graph: Graph, module: nn.Module, x: str, name: str) -> str:
    """Write what normalises `x`: a LayerNorm, MobileBERT's NoNorm (a factor and a sum), or nothing (Identity)."""
    if isinstance(module, nn.Identity):
        return x
    scale = graph.constant(f"{name}.norm.weight", array(module.get_parameter("weight")))
    shift = graph.constant(f"{name}.norm.bias", array(module.get_parameter("bias")))
    if isinstance(module, nn.LayerNorm):
        return graph.op("LayerNormalization", [x, scale, shift], f"{name}.norm", axis=-1, epsilon=module.eps)
    return graph.op("Add", [graph.op("Mul", [x, scale], f"{name}.norm.product"), shift], f"{name}.norm")


def gemm(graph: Graph, linear: nn.Linear, x: str, name: str) -> str:
    """Write a linear layer on a matrix [batch, width], in float32."""
    weight = graph.constant(f"{name}.weight", array(linear.weight))
    bias = graph.constant(f"{name}.bias", array(linear.bias))
    return graph.op("Gemm", [x, weight, bias], name, transB=1)


def position_and_type(
    graph: Graph, model: PreTrainedModel, positions: nn.Embedding, types: nn.Embedding | None, offset: int = 0
) -> tuple[str, ...]:
    """Write the embeddings that are added to those of the words.

    Args:
        graph: where to write.
        model: tells its inputs.
        positions: [positions, width].
        types: [types, width]; where the model asks for no type the first row is part of the positions.
        offset: row of the first token; see `students.anatomy.Anatomy`.
    """
    table, asks_for_types = array(positions.weight), "token_type_ids" in input_names(model)
    if types is not None and not asks_for_types:
        table = table + array(types.weight)[0]
    position = _positions(graph, graph.constant("position.weight", table), offset)
    if types is None or not asks_for_types:
        return (position,)
    constant = graph.constant("type.weight", array(types.weight))
    return position, graph.op("Gather", [constant, "token_type_ids"], "type")


def _positions(graph: Graph, table: str, offset: int) -> str:
    """Write the position embeddings: the table's first rows, or for roberta those counted from the ids.

    Roberta counts tokens that are not padding, from `pad_token_id` + 1; padding has the row `pad_token_id`.
    """
    if offset == 0:
        length = graph.op("Shape", ["input_ids"], "length", start=1, end=2)
        return graph.op("Slice", [table, graph.integers("zero", 0), length], "position")
    pad = graph.integer("pad", offset - 1)
    is_token = graph.op("Not", [graph.op("Equal", ["input_ids", pad], "is_padding")], "is_token")
    ones = graph.op("Cast", [is_token], "token_ones", to=onnx.TensorProto.INT64)
    count = graph.op("CumSum", [ones, graph.integer("sequence_axis", 1)], "token_count")
    counted = graph.op("Mul", [count, ones], "token_number")
    return graph.op("Gather", [table, graph.op("Add", [counted, pad], "position_ids")], "position")
