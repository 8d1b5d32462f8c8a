"""What a model can be written in, by name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from pocketbert.errors import UserError, unknown
from students.calibration import Calibration
from students.exporting.files import export_fp16, export_fp32, export_int4, export_int8, export_static
from students.exporting.forms import Form
from students.exporting.running import Encoding

STATIC = "int8-static"
PRECISIONS: dict[str, Callable[..., None]] = {
    "fp32": export_fp32,
    "fp16": export_fp16,
    "int8": export_int8,
    "int8-full": partial(export_int8, full_range=True),
    "int8-tables4": partial(export_int8, four_bit_tables=True),
    STATIC: export_static,
    "int4": export_int4,
}


def export(
    model: PreTrainedModel,
    path: Path,
    precision: str,
    metadata: Mapping[str, object] | None = None,
    *,
    calibration: Calibration | Sequence[Encoding] | None = None,
    form: Form | None = None,
) -> None:
    """Write a model as one ONNX file.

    Args:
        model: see `students.exporting.files.export_fp32`; so are `path`, `metadata` and `form`.
        path: the file to write.
        precision: of `PRECISIONS`.
        metadata: kept in the file.
        calibration: of int8-static; see `students.exporting.files.export_static`. The others leave it.
        form: of the graph.

    Raises:
        UserError: no such precision, or the model can't be written in it.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    more = {"calibration": calibration} if precision == STATIC else {}
    PRECISIONS[precision](model, path, metadata, form=form, **more)


def check_calibrated(precisions: Collection[str], calibration: object) -> None:
    """Raise UserError if int8-static is wanted, and nothing gives its ranges."""
    if STATIC in precisions and calibration is None:
        raise UserError(
            f"--precision {STATIC} has fixed ranges: give --calibration FILE, with a text a line, or --ranges FILE, "
            "of a quantisation-aware training."
        )
