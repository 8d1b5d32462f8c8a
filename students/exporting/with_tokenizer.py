"""One file that takes a text: the tokenizer's operator, from onnxruntime-extensions, in front of the model's graph."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, compose, helper, numpy_helper
from transformers import PreTrainedTokenizerBase

from pocketbert.errors import UserError
from students.exporting.deployment import WITH_TOKENIZER
from students.exporting.golden import Answers, Golden, compare
from students.exporting.graph import IR_VERSION, write_model
from students.exporting.running import check_length

PACKAGE = "onnxruntime_extensions"
ODD = (
    "",
    " ",
    "Ünïcödé, naïve café; ÅÉÎÕØ ß ñ",
    "tabs\tand\nlines — “quotes”… #tag @name 3.14159 $5",
    "supercalifragilisticexpialidocious xyzzyx",
    "🙂 emoji",
)
"""Texts that tokenizers disagree about; each must come out with the same ids."""

SCRIPTS = {
    "Arabic": "العربية",
    "Chinese and Japanese": "日本語 中文",
    "Cyrillic": "Всё хорошо, ёлка",
    "Devanagari": "हिन्दी",
    "Greek": "Καλημέρα",
    "Hangul": "한국어",
    "mathematics": "Ω≈ç√",
    "Turkish": "İstanbul",
    "Vietnamese": "Việt Nam",
}
"""Told where they come out otherwise, as they do with onnxruntime-extensions 0.15 where letters are composed."""


def write_with_tokenizer(path: Path, tokenizer: PreTrainedTokenizerBase, golden: Golden) -> tuple[Path, list[str]]:
    """Write a file of the same name into with-tokenizer/ beside it, from `text` (strings [1]) to the file's outputs.

    Texts that are too long are cut as the tokenizer cuts them. Returned are the file, and the scripts that it reads
    otherwise than the tokenizer does.

    Args:
        path: of the model's file.
        tokenizer: its own.
        golden: sentences, each one text, with ids and the answers that the file gives or nearly gives.

    Raises:
        UserError: onnxruntime-extensions is missing or has no such tokenizer, an id of a golden sentence or of a plain
            text differs, or texts are pairs.
    """
    check_possible(golden)
    graph = _front(tokenizer)
    texts = [*ODD, *map(str, golden.texts)]
    if other := _read_otherwise(graph, tokenizer, dict(zip(texts, texts, strict=True))):
        raise UserError(
            f"--with-tokenizer: onnxruntime-extensions reads {other[0][:40]!r} otherwise than the tokenizer does."
        )
    model = onnx.load(path)
    longest = next((int(each.value) for each in model.metadata_props if each.key == "max_length"), None)
    joined = _joined(_batched(graph, [each.name for each in model.graph.input], longest), model)
    target = path.parent / WITH_TOKENIZER / path.name
    metadata = {each.key: each.value for each in model.metadata_props}
    write_model(joined, target, metadata | {"input": "text"})
    _check_answers(path, target, golden)
    return target, _read_otherwise(graph, tokenizer, SCRIPTS)


def check_possible(golden: Golden) -> None:
    """Raise UserError where a file that takes a text can't be made."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise UserError("--with-tokenizer needs onnxruntime-extensions: pip install 'pocketbert[text]'.")
    if any(not isinstance(text, str) for text in golden.texts):
        raise UserError("--with-tokenizer: the model reads pairs of texts, and the file would take one.")


def open_with_tokenizer(path: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a file that takes a text."""
    from onnxruntime_extensions import get_library_path  # noqa: PLC0415  (an extra)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(get_library_path())
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _front(tokenizer: PreTrainedTokenizerBase) -> onnx.ModelProto:
    """Return a graph from `text` to flat ids and what goes with them."""
    from onnxruntime_extensions import gen_processing_models  # noqa: PLC0415  (an extra)

    try:
        graph: onnx.ModelProto = gen_processing_models(tokenizer, pre_kwargs={})[0]
    except Exception as error:  # the library raises plain ones, of many kinds
        raise UserError(
            f"--with-tokenizer: onnxruntime-extensions has no operator for {type(tokenizer).__name__}."
        ) from error
    _say_accents(graph, tokenizer)
    return graph


def _say_accents(graph: onnx.ModelProto, tokenizer: PreTrainedTokenizerBase) -> None:
    """Say whether accents are dropped, where that follows from the case, which the library's converter leaves out."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    stripped = getattr(normalizer, "strip_accents", None)
    if stripped is None:
        stripped = bool(getattr(normalizer, "lowercase", False))
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "strip_accents":
                attribute.i = int(stripped)


def _read_otherwise(graph: onnx.ModelProto, tokenizer: PreTrainedTokenizerBase, texts: Mapping[str, str]) -> list[str]:
    """Return the names of the texts whose ids differ."""
    session = open_with_tokenizer(graph.SerializeToString())

    def differs(text: str) -> bool:
        found = session.run(["input_ids"], {"text": [text]})[0].ravel().tolist()
        return bool(found != tokenizer(text, truncation=False, verbose=False)["input_ids"])

    return [name for name, text in texts.items() if differs(text)]


def _batched(graph: onnx.ModelProto, names: list[str], longest: int | None) -> onnx.ModelProto:
    """Return the front with one row, cut to what the model reads: the first tokens, and the one that closes."""
    result = onnx.ModelProto()
    result.CopyFrom(graph)
    inner, given = result.graph, {each.name for each in graph.graph.output}
    constants = {"front.zero": [0], "front.one": [1], "front.minus_one": [-1], "front.end": [2**31 - 1]}
    inner.initializer.extend(numpy_helper.from_array(np.array(v, np.int64), k) for k, v in constants.items())
    if longest is not None:
        inner.initializer.append(numpy_helper.from_array(np.array([longest], np.int64), "front.longest"))
    del inner.output[:]
    for name in names:
        row = name
        if name not in given:  # a tokenizer that knows one type alone
            inner.node.append(helper.make_node("Sub", ["input_ids", "input_ids"], [f"{name}.zeros"]))
            row = f"{name}.zeros"
        if longest is not None:
            inner.node.extend(
                [
                    helper.make_node("Shape", [row], [f"{name}.length"]),
                    helper.make_node("Min", [f"{name}.length", "front.longest"], [f"{name}.kept"]),
                    helper.make_node("Sub", [f"{name}.kept", "front.one"], [f"{name}.before"]),
                    helper.make_node("Slice", [row, "front.zero", f"{name}.before"], [f"{name}.first"]),
                    helper.make_node("Slice", [row, "front.minus_one", "front.end"], [f"{name}.last"]),
                    helper.make_node("Concat", [f"{name}.first", f"{name}.last"], [f"{name}.cut"], axis=0),
                ]
            )
            row = f"{name}.cut"
        inner.node.append(helper.make_node("Unsqueeze", [row, "front.zero"], [f"{name}.row"]))
        inner.output.append(helper.make_tensor_value_info(f"{name}.row", TensorProto.INT64, [1, "sequence"]))
    return result


def _joined(front: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return both as one graph, with all the operator sets that they use."""
    versions = {each.domain: each.version for each in model.opset_import}
    for each in front.opset_import:
        versions.setdefault("" if each.domain == "ai.onnx" else each.domain, each.version)
    graph = compose.merge_graphs(
        front.graph, model.graph, [(f"{each.name}.row", each.name) for each in model.graph.input]
    )
    graph.name = "pocketbert"
    for each in graph.input:
        if each.name == "text":  # the front flattens what it is given, and would make one text of two
            each.type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto(dim=[{"dim_value": 1}]))
    opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _check_answers(path: Path, target: Path, golden: Golden) -> None:
    """Raise UserError, and remove the file, where it answers otherwise than the one that takes ids."""
    plain, session = onnxruntime.InferenceSession(path), open_with_tokenizer(target)
    check_length(plain, path.name, max(len(each["input_ids"]) for each in golden.encodings))
    names = [each.name for each in plain.get_outputs()]
    asked = [each.name for each in plain.get_inputs()]

    def row(values: list[np.ndarray]) -> Answers:
        return {name: value[0] for name, value in zip(names, values, strict=True)}

    expected = [
        row(plain.run(names, {name: np.array([each[name]], np.int64) for name in asked})) for each in golden.encodings
    ]
    actual = [row(session.run(names, {"text": [text]})) for text in golden.texts]
    difference = compare(golden.task, expected, actual).relative_difference
    if difference > 0:
        target.unlink()
        raise UserError(f"{target} differs from {path.name} by {difference:.2g}, and was removed.")
