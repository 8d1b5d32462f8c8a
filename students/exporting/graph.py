"""An ONNX graph under construction, with readable names, and how it becomes a file."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pocketbert import __version__
from pocketbert.errors import UserError
from pocketbert.files import write_bytes

CONTRIB = "com.microsoft"
OPSET = 18
IR_VERSION = 10
LARGEST_FILE = 2**31 - 1
"""Bytes: protobuf, and so a one-file ONNX model, ends at 2 GiB."""


class Graph:
    """Collects nodes and constants; every method returns the name of a tensor."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._bytes = 0

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add a constant; equal values are stored once, under the first name that they had."""
        ordered = np.asarray(values, order="C")
        key = (ordered.dtype.str, ordered.shape, hashlib.sha256(ordered.data).digest())
        if key not in self._names:
            self._bytes += ordered.nbytes
            refuse_too_large(self._bytes)
            self._names[key] = name
            self._constants.append(numpy_helper.from_array(ordered, name))
        return self._names[key]

    def tensor(self, constant: onnx.TensorProto) -> str:
        """Add a constant of a type that NumPy lacks, as it is."""
        self._bytes += constant.ByteSize()
        refuse_too_large(self._bytes)
        self._constants.append(constant)
        return str(constant.name)

    def integer(self, name: str, value: int) -> str:
        """Add a constant int64 scalar."""
        return self.constant(name, np.asarray(value, dtype=np.int64))

    def integers(self, name: str, *values: int) -> str:
        """Add a constant vector of int64, as shapes, axes and slice ends want it."""
        return self.constant(name, np.asarray(values, dtype=np.int64))

    def op(self, kind: str, inputs: Iterable[str], name: str, domain: str = "", **attributes: object) -> str:
        """Add a node with one output, which carries the node's name; an empty input name means "left out"."""
        return self.split_op(kind, inputs, (name,), domain, **attributes)[0]

    def split_op(
        self,
        kind: str,
        inputs: Iterable[str],
        outputs: tuple[str, ...],
        domain: str = "",
        **attributes: object,
    ) -> tuple[str, ...]:
        """Add a node with several outputs."""
        self._nodes.append(helper.make_node(kind, list(inputs), list(outputs), outputs[0], domain=domain, **attributes))
        return outputs

    def model(self, inputs: Iterable[str], outputs: Mapping[str, Sequence[str | int]]) -> onnx.ModelProto:
        """Return the model: int64 inputs [batch, sequence], float32 outputs with their axes."""
        axes = ["batch", "sequence"]
        graph = helper.make_graph(
            self._nodes,
            "pocketbert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(axes)) for name, axes in outputs.items()],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def refuse_too_large(size: int) -> None:
    """Raise UserError if `size` bytes do not fit into one ONNX file."""
    if size > LARGEST_FILE:
        raise UserError(
            f"the ONNX file would need {size / 1e9:.1f} GB and one file can hold 2.1 GB: "
            "export a smaller student, or the int8 form"
        )


def write_model(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Write `model` with its metadata to `path`, atomically.

    Args:
        model: the model; its producer fields and metadata are replaced.
        path: the file to write; missing folders are made.
        metadata: text by key, kept in the file's `metadata_props`.
    """
    model.producer_name, model.producer_version = "pocketbert", __version__
    del model.metadata_props[:]
    helper.set_model_props(model, dict(metadata))
    refuse_too_large(model.ByteSize())
    write_bytes(path, model.SerializeToString())
