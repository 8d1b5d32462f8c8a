"""Smaller files: tables of 4 bits, and weights in half precision."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from students.exporting.fitness import refuse_beyond_half
from students.exporting.graph import CONTRIB
from students.exporting.precision import FloatArray, Int8
from students.quantization import FOUR_BITS, quantize_blocks

BLOCK = 32
GATHER = {"gather_axis": 0, "quantize_axis": 1, "block_size": BLOCK}
"""Attributes of the operator that looks rows of 4 bits up and scales them."""

HALF = ".half"


class FourBitTables(Int8):
    """Int8 but for the word embeddings, which have 4 bits and a scale for every 32 numbers of a row."""

    def embedding(self, table: FloatArray, ids: str, name: str) -> str:
        """See Precision."""
        rows, scales = four_bit_table(table, f"{name}.weight_int4")
        inputs = [self.graph.tensor(rows), ids, self.graph.constant(f"{name}.scale", scales)]
        return self.graph.op("GatherBlockQuantized", inputs, name, CONTRIB, **GATHER)


def four_bit_table(table: FloatArray, name: str) -> tuple[onnx.TensorProto, FloatArray]:
    """Return a table [entries, width] as a tensor of 4 bits, and its scales [entries, blocks of 32]."""
    values, scales = quantize_blocks(table, BLOCK, FOUR_BITS)
    flat = np.append(values.ravel(), np.zeros(values.size % 2, np.int8)).view(np.uint8) & 0xF
    packed = flat[0::2] | (flat[1::2] << 4)
    tensor = onnx.TensorProto(
        name=name, data_type=TensorProto.INT4, dims=values.shape, raw_data=packed.astype(np.uint8).tobytes()
    )
    return tensor, scales


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a float32 graph whose matrices and tables are kept in half precision.

    They are cast back where they are used: onnxruntime does so once, when it opens the file, and for tables row by
    row. The file is half as large, and as fast as before.

    Raises:
        UserError: a number is beyond half precision.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    large = {x.name for x in graph.initializer if x.data_type == TensorProto.FLOAT and len(x.dims) > 1}
    looked_up = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    tables = looked_up & large - {name for node in graph.node for name in _multiplied(node)}
    for constant in graph.initializer:
        if constant.name in large:
            values, name = numpy_helper.to_array(constant), constant.name
            refuse_beyond_half(name, float(np.abs(values).max()))
            constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}{HALF}"))
    nodes = [_cast(f"{name}{HALF}", name) for name in sorted(large - tables)]
    for node in graph.node:
        if node.op_type == "Gather" and node.input[0] in tables:
            out = node.output[0]
            node.input[0] += HALF
            node.output[0] = f"{out}{HALF}"
            nodes += [node, _cast(f"{out}{HALF}", out)]
        else:
            nodes.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return result


def _multiplied(node: onnx.NodeProto) -> Iterable[str]:
    """Return what a node uses otherwise than to look rows up in it."""
    return list(node.input)[1:] if node.op_type == "Gather" else list(node.input)


def _cast(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], f"{target}.cast", to=TensorProto.FLOAT)
