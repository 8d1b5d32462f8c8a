"""The .ort files and the list of operators from which a minimal build of ONNX Runtime is made for a phone."""

from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime
from onnxruntime.tools.ort_format_model import create_config_from_models

from pocketbert.errors import UserError
from pocketbert.files import write_text

OPERATORS = "required_operators.config"


def write_ort(files: Sequence[Path]) -> list[Path]:
    """Write each ONNX file as .ort beside it, and one list of the operators that they need; return all of them.

    Graphs are optimised as far as every processor's kernels allow, and keep their answers. What is kept in half
    precision stays so: its casts are not folded, which would double the file, and run at every call (with 4 x 256 a
    third of a call with 16 tokens, nothing to speak of with 128).

    Args:
        files: of one folder.

    Raises:
        UserError: there is none, or onnxruntime can't load one.
    """
    if not files:
        raise UserError("no file to convert")
    made = [_converted(path) for path in files]
    operators = files[0].parent / OPERATORS
    create_config_from_models(made, operators, enable_type_reduction=False)
    write_text(operators, operators.read_text(encoding="utf-8").replace(f"{operators.parent}/", ""))
    return [*made, operators]


def _converted(path: Path) -> Path:
    target = path.with_suffix(".ort")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ORT")
    kept = ["ConstantFolding"] if _in_half_precision(path) else None
    try:
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"], disabled_optimizers=kept)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise UserError(f"{path} can't become an .ort file: {str(error).splitlines()[0]}") from error
    return target


def _in_half_precision(path: Path) -> bool:
    model = onnx.load(path)
    return any(constant.data_type == onnx.TensorProto.FLOAT16 for constant in model.graph.initializer)
