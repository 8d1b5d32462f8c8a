"""What of a file's bytes are lookup tables, what is the encoder, and what the head."""

from collections.abc import Mapping

import onnx

EMBEDDING, ENCODER, HEAD = "embedding", "encoder", "head"
_WRITTEN, _TRACED = ("head.", "logits", "answers"), ("classifier", "pooler", "qa_outputs")
"""How a head's constants are named in graphs written here, and in those of torch's exporter."""

_LOOKUPS, _POSITIONS = ("Gather", "GatherBlockQuantized"), "position.weight"


def bytes_by_class(model: onnx.ModelProto) -> Mapping[str, int]:
    """Return the bytes of a graph's constants by what they are for; the graph itself is not counted.

    Tables are what a Gather looks rows up in; a head's constants are known by their names, as are position tables.
    """
    tables = {name for node in model.graph.node if node.op_type in _LOOKUPS for name in node.input}
    found = dict.fromkeys((EMBEDDING, ENCODER, HEAD), 0)
    for constant in model.graph.initializer:
        found[_part(constant, tables)] += constant.ByteSize()
    return found


def _part(constant: onnx.TensorProto, tables: set[str]) -> str:
    is_table = constant.name in tables or constant.name.startswith(_POSITIONS)
    if is_table and len(constant.dims) > 1:
        return EMBEDDING
    traced = any(word in constant.name for word in _TRACED)
    return HEAD if traced or constant.name.startswith(_WRITTEN) else ENCODER
