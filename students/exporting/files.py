"""Writes a model as one ONNX file, in float32 or int8."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import onnx
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit, UserError
from students.calibration import Calibration
from students.exporting.classes import bytes_by_class
from students.exporting.compact import FourBitTables, halved
from students.exporting.direct import as_written, can_write, write
from students.exporting.fallback import quantize_graph, trace
from students.exporting.forms import Form, skipping
from students.exporting.four_bits import Int4, MixedBits
from students.exporting.graph import write_model
from students.exporting.lengths import longest_text
from students.exporting.precision import Int8
from students.exporting.ranges import calibrate
from students.exporting.running import Encoding
from students.exporting.static import StaticInt8
from students.exporting.tasks import task_of
from students.quantization import FULL_RANGE, REDUCED_RANGE


def export_fp32(
    model: PreTrainedModel, path: Path, metadata: Mapping[str, object] | None = None, *, form: Form | None = None
) -> None:
    """Write a model as one float32 ONNX file with dynamic batch and sequence.

    Bert, roberta, electra, distilbert, albert, mobilebert and ib_bert are written from their weights with the fused
    attention and activation of onnxruntime (`com.microsoft`, version 1; opset 18); every other family goes through
    torch's exporter (opset 20).

    Args:
        model: of a class that `students.exporting.tasks` knows; it is not changed.
        path: the file to write, atomically. Inputs are int64 `input_ids`, `attention_mask` and, where the
            model knows more than one type, `token_type_ids` [batch, sequence]; the outputs are those of the task.
        metadata: kept in the file: text as it is, anything else as JSON. `precision`, `family`, `labels` (a
            list in id order), `task`, `bytes` (by class), `vocabulary_size`, `pad_token_id` and `max_length` are
            always there.
        form: how the graph is written, where it is written from the weights; None: as is fastest on most processors.

    Raises:
        UserError: the model cannot be traced, or would need more than one file can hold (2 GiB).
    """
    graph = _float32(model, form)
    write_model(graph, path, _properties(model, graph, metadata, "float32", form))


def export_fp16(
    model: PreTrainedModel, path: Path, metadata: Mapping[str, object] | None = None, *, form: Form | None = None
) -> None:
    """Write a model as one ONNX file whose matrices are kept in half precision and used in float32.

    See `export_fp32` for the arguments and errors, and `students.exporting.compact.halved` for what it costs.
    """
    graph = halved(_float32(model, form))
    write_model(graph, path, _properties(model, graph, metadata, "float16", form))


def export_int8(
    model: PreTrainedModel,
    path: Path,
    metadata: Mapping[str, object] | None = None,
    *,
    full_range: bool = False,
    four_bit_tables: bool = False,
    form: Form | None = None,
) -> None:
    """Write a model as one int8 ONNX file; see `export_fp32` for the arguments and errors.

    Weights are symmetric int8 of 7 bits with a scale per output channel, the word embeddings of 8 bits with a
    scale per row; activations are quantised as they run, with one scale a tensor. Position and type embeddings,
    norms and the head stay float32.

    Args:
        model: see `export_fp32`.
        path: see `export_fp32`.
        metadata: see `export_fp32`.
        full_range: quantise the weights of products to 8 bits (127 instead of 63 steps each way). Processors
            with AVX2 and no VNNI saturate such products at 16 bits, which nearly doubled the mean logit error of a
            student (LOG.md); with 7 bits a file answers alike on all of them, so that is the default.
        four_bit_tables: keep the word embeddings, the larger part of a small student's file, in 4 bits with a scale
            for every 32 numbers.
        form: see `export_fp32`; one of the same tables.
    """
    largest = FULL_RANGE if full_range else REDUCED_RANGE
    if can_write(model):
        maker = form.maker if form else FourBitTables if four_bit_tables else Int8
        graph = _skipping(write(model, partial(maker, largest=largest)), form)
    else:
        graph = quantize_graph(trace(model), largest, four_bit_tables=four_bit_tables)
    precision = "int8, tables int4" if four_bit_tables else "int8"
    write_model(graph, path, _properties(model, graph, metadata, precision, form))


def export_int4(
    model: PreTrainedModel, path: Path, metadata: Mapping[str, object] | None = None, *, form: Form | None = None
) -> None:
    """Write a model as one ONNX file of 4 bits a weight; see `export_fp32` for the arguments and errors.

    Every product of the encoder is a MatMulNBits with a scale and a zero point for every 32 inputs of an output
    (5.1 bits a weight in all); word embeddings have 4 bits, too. Inputs are quantised to int8 as they run, a block at
    a time. Position and type embeddings, norms and the head stay float32.
    """
    if can_write(model):
        graph = _skipping(write(model, form.maker if form else Int4), form)
    else:
        graph = quantize_graph(trace(model), four_bit_tables=True, four_bit_products=True)
    write_model(graph, path, _properties(model, graph, metadata, "int4", form))


def export_mixed(
    model: PreTrainedModel,
    path: Path,
    metadata: Mapping[str, object] | None = None,
    *,
    bits: Mapping[str, int] | None = None,
    form: Form | None = None,
) -> None:
    """Write a model as one ONNX file with layers of 4 and of 8 bits (Q-BERT); see `export_int4`.

    Args:
        model: see `export_fp32`; of a family that is written from its weights.
        path: see `export_fp32`.
        metadata: see `export_fp32`.
        bits: 4 or 8 by encoder layer; see `students.sensitivity.choose_bits`.
        form: see `export_fp32`; one of mixed bits.

    Raises:
        UserError: no bits, a model that goes through torch's exporter, or another model's layers.
    """
    if bits is None:
        raise UserError("mixed has 4 or 8 bits by layer: give the bits of each.")
    if not can_write(model):
        raise UserError(f"{type(model).__name__} goes through torch's exporter, which has no mixed bits: take int4.")
    written = as_written(model)
    maker = partial(form.maker if form else MixedBits, model=written, bits=bits)
    graph = _skipping(write(written, maker), form)
    write_model(graph, path, _properties(model, graph, {"bits": dict(bits), **(metadata or {})}, "mixed", form))


def export_static(
    model: PreTrainedModel,
    path: Path,
    metadata: Mapping[str, object] | None = None,
    *,
    calibration: Calibration | Sequence[Encoding] | None = None,
    form: Form | None = None,
) -> None:
    """Write a model as one int8 ONNX file with fixed ranges of activations; see `export_fp32`.

    Answers do not depend on what shares a batch, and little on the processor. Tables are as in `export_int8`.

    Args:
        model: see `export_fp32`; of a family that is written from its weights.
        path: see `export_fp32`.
        metadata: see `export_fp32`.
        calibration: at least 32 texts as ids, like those that the model will read; or ranges
            (`students.exporting.ranges.calibrate`, `students.calibration.trained`).
        form: see `export_fp32`; one of static ranges.

    Raises:
        UserError: no calibration, too few texts, a model that goes through torch's exporter, or another model's ranges.
    """
    if calibration is None:
        raise UserError("int8-static has fixed ranges: give texts to calibrate with, or the ranges of a training.")
    if not can_write(model):
        raise UserError(f"{type(model).__name__} goes through torch's exporter, which has no int8-static: take int8.")
    written = as_written(model)
    ranges = calibration if isinstance(calibration, Calibration) else calibrate(written, calibration)
    if ranges.trained and written is not model:
        raise DoesNotFit(
            "int8-static: NoNorms are folded into the layers, whose trained ranges change: calibrate on texts."
        )
    maker = partial(form.maker if form else StaticInt8, model=written, calibration=ranges)
    graph = _skipping(write(written, maker), form)
    write_model(graph, path, _properties(model, graph, metadata, "int8, static", form))


def _float32(model: PreTrainedModel, form: Form | None) -> onnx.ModelProto:
    if not can_write(model):
        return trace(model)
    return _skipping(write(model, form.maker) if form else write(model), form)


def _skipping(graph: onnx.ModelProto, form: Form | None) -> onnx.ModelProto:
    return skipping(graph) if form and form.skips else graph


def _properties(
    model: PreTrainedModel,
    graph: onnx.ModelProto,
    metadata: Mapping[str, object] | None,
    precision: str,
    form: Form | None,
) -> dict[str, str]:
    labels = list((model.config.id2label or {}).values())
    values: dict[str, object] = {"precision": precision, "family": model.config.model_type, "labels": labels}
    if (task := task_of(model)) is not None:
        values["task"] = task.name
    values["vocabulary_size"] = model.config.vocab_size
    values["pad_token_id"] = model.config.pad_token_id or 0
    if (longest := longest_text(model)) is not None:
        values["max_length"] = longest
    values["bytes"] = bytes_by_class(graph)
    if form is not None and can_write(model):
        values["form"] = form.name
    values.update(metadata or {})
    return {key: x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for key, x in values.items()}
