"""Every other family: torch's exporter for float32, and a rewrite of its graph for int8."""

import hashlib
import inspect
from functools import partial
from typing import cast

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from transformers import PreTrainedModel

from pocketbert.errors import UserError
from students.exporting.compact import GATHER, four_bit_table
from students.exporting.four_bits import block_product
from students.exporting.graph import CONTRIB, refuse_too_large
from students.exporting.heads import SMALLEST
from students.exporting.lengths import longest_text
from students.exporting.silence import silenced
from students.exporting.tasks import task_of
from students.quantization import REDUCED_RANGE, quantize

OPSET = 20


def trace(model: PreTrainedModel) -> onnx.ModelProto:
    """Return the model as torch's exporter writes it, with dynamic batch and sequence.

    Args:
        model: any of a class that `students.exporting.tasks` knows and torch.export can trace; its training mode is
            restored afterwards.

    Raises:
        UserError: the model cannot be traced, has no head that is exported, or does not fit into one file.
    """
    task = task_of(model)
    if task is None:
        raise UserError(
            f"{type(model).__name__} cannot be exported: it needs a head for classes or values, of texts or of tokens, "
            "or for question answering, or none at all, for embeddings"
        )
    refuse_too_large(sum(x.numel() * x.element_size() for x in model.parameters()))
    inputs = _example(model)
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence", max=longest_text(model))
    was_training = model.training
    model.train(False)
    try:
        with silenced():
            program = torch.onnx.export(
                _Embedding(model) if task.name == "embedding" else model,
                (),
                kwargs=inputs,
                dynamo=True,
                external_data=False,
                dynamic_shapes={name: {0: batch, 1: sequence} for name in inputs},
                input_names=list(inputs),
                output_names=list(task.outputs),
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # the exporter wraps whatever the model raised
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{type(model).__name__} cannot be exported to ONNX: {reason}") from error
    finally:
        model.train(was_training)
    traced: onnx.ModelProto = cast(torch.onnx.ONNXProgram, program).model_proto
    # Shapes inferred by the exporter go stale when the graph is rewritten, and no runtime needs them.
    del traced.graph.value_info[:]
    _merge_equal_constants(traced.graph)
    return traced


class _Embedding(nn.Module):
    """The mean of the last hidden states over the tokens that are not padding."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.eval()  # or the exporter would leave the model in training mode

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return [batch, width]."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        states: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        mask = attention_mask.to(states.dtype)[..., None]
        return (states * mask).sum(1) / mask.sum(1).clamp(min=SMALLEST)


def quantize_graph(
    model: onnx.ModelProto,
    largest: int = REDUCED_RANGE,
    *,
    four_bit_tables: bool = False,
    four_bit_products: bool = False,
) -> onnx.ModelProto:
    """Return the graph with int8 weights: constant matrices in MatMul, constant tables in Gather.

    The same operators as in the graphs written from the weights: DynamicQuantizeMatMul per output channel
    and int8 rows with a scale each. Gemm stays as it is: the exporter writes it for the head alone. A
    constant that something else uses too is kept beside its int8 form.

    Args:
        model: from torch's exporter.
        largest: see `students.exporting.files.export_int8`.
        four_bit_tables: look rows up in tables of 4 bits instead of 8.
        four_bit_products: multiply with matrices of 4 bits (MatMulNBits) instead of 8.
    """
    quantized_gather = _four_bit_gather if four_bit_tables else _quantized_gather
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    tables = {x.name: x for x in graph.initializer if len(x.dims) == 2 and x.data_type == onnx.TensorProto.FLOAT}
    added: dict[str, onnx.TensorProto] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tables:
            matrix = tables[node.input[1]]
            quantized = _four_bit_matmul if four_bit_products else partial(_quantized_matmul, largest=largest)
            nodes.append(quantized(node, matrix, added))
        elif node.op_type == "Gather" and node.input[0] in tables and _axis(node) == 0:
            nodes.extend(quantized_gather(node, tables[node.input[0]], added))
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    constants = [*(x for x in graph.initializer if x.name in used), *added.values()]
    # Copies: clearing the repeated fields frees what they hold.
    nodes, constants = [_copy(node) for node in nodes], [_copy(constant) for constant in constants]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    if not any(opset.domain == CONTRIB for opset in result.opset_import):
        result.opset_import.append(onnx.helper.make_opsetid(CONTRIB, 1))
    return result


def _merge_equal_constants(graph: onnx.GraphProto) -> None:
    """Store equal constants once: the exporter copies weights that layers share (albert) when it transposes them."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    renamed: dict[str, str] = {}
    for constant in graph.initializer:
        digest = hashlib.sha256(numpy_helper.to_array(constant).tobytes()).digest()
        renamed[constant.name] = first.setdefault((constant.data_type, tuple(constant.dims), digest), constant.name)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    kept = [_copy(constant) for constant in graph.initializer if renamed[constant.name] == constant.name]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _quantized_matmul(
    node: onnx.NodeProto, weight: onnx.TensorProto, added: dict[str, onnx.TensorProto], largest: int
) -> onnx.NodeProto:
    names = [f"{weight.name}.{part}" for part in ("int8", "scale", "zero_point")]
    if names[0] not in added:
        values, scale = quantize(numpy_helper.to_array(weight), axis=0, largest=largest)
        for name, array in zip(names, (values, scale[0], np.zeros(scale.size, np.int8)), strict=True):
            added[name] = numpy_helper.from_array(array, name)
    return onnx.helper.make_node(
        "DynamicQuantizeMatMul", [node.input[0], *names], list(node.output), node.name, domain=CONTRIB
    )


def _four_bit_matmul(
    node: onnx.NodeProto, weight: onnx.TensorProto, added: dict[str, onnx.TensorProto]
) -> onnx.NodeProto:
    constants, attributes = block_product(numpy_helper.to_array(weight))
    names = {f"{weight.name}.{part}": array for part, array in constants.items()}
    added.update({name: numpy_helper.from_array(array, name) for name, array in names.items() if name not in added})
    inputs = [node.input[0], *names]
    return onnx.helper.make_node("MatMulNBits", inputs, list(node.output), node.name, domain=CONTRIB, **attributes)


def _quantized_gather(
    node: onnx.NodeProto, table: onnx.TensorProto, added: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    rows, scales = f"{table.name}.rows_int8", f"{table.name}.row_scale"
    if rows not in added:
        values, scale = quantize(numpy_helper.to_array(table), axis=1)
        added[rows], added[scales] = (
            numpy_helper.from_array(values, rows),
            numpy_helper.from_array(scale, scales),
        )
    out, ids = node.output[0], node.input[1]
    return [
        onnx.helper.make_node("Gather", [rows, ids], [f"{out}.int8"]),
        onnx.helper.make_node("Gather", [scales, ids], [f"{out}.scale"]),
        onnx.helper.make_node("Cast", [f"{out}.int8"], [f"{out}.float"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [out]),
    ]


def _four_bit_gather(
    node: onnx.NodeProto, table: onnx.TensorProto, added: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    rows, scales = f"{table.name}.rows_int4", f"{table.name}.block_scale"
    if rows not in added:
        added[rows], values = four_bit_table(numpy_helper.to_array(table), rows)
        added[scales] = numpy_helper.from_array(values, scales)
    inputs, out = [rows, node.input[1], scales], list(node.output)
    return [onnx.helper.make_node("GatherBlockQuantized", inputs, out, domain=CONTRIB, **GATHER)]


def _axis(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)


def _copy(message: onnx.NodeProto) -> onnx.NodeProto:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _example(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Return inputs to trace with, [2, 8]: ids, a mask and token types where the model knows several."""
    ids = torch.ones(2, 8, dtype=torch.long, device=model.device)
    inputs = {"input_ids": ids, "attention_mask": ids.clone()}
    asks = "token_type_ids" in inspect.signature(model.forward).parameters
    if asks and getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    return inputs
