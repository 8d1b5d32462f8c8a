"""What a model can be written in, by name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from pocketbert.errors import UserError, unknown
from students.calibration import Calibration
from students.exporting.direct import can_write
from students.exporting.files import export_fp16, export_fp32, export_int4, export_int8, export_mixed, export_static
from students.exporting.folding import has_no_norm
from students.exporting.forms import Form
from students.exporting.running import Encoding

STATIC, MIXED = "int8-static", "mixed"
PRECISIONS: dict[str, Callable[..., None]] = {
    "fp32": export_fp32,
    "fp16": export_fp16,
    "int8": export_int8,
    "int8-full": partial(export_int8, full_range=True),
    "int8-tables4": partial(export_int8, four_bit_tables=True),
    STATIC: export_static,
    "int4": export_int4,
    MIXED: export_mixed,
}


def export(
    model: PreTrainedModel,
    path: Path,
    precision: str,
    metadata: Mapping[str, object] | None = None,
    *,
    calibration: Calibration | Sequence[Encoding] | None = None,
    bits: Mapping[str, int] | None = None,
    form: Form | None = None,
) -> None:
    """Write a model as one ONNX file.

    Args:
        model: see `students.exporting.files.export_fp32`; so are `path`, `metadata` and `form`.
        path: the file to write.
        precision: of `PRECISIONS`.
        metadata: kept in the file.
        calibration: of int8-static; see `students.exporting.files.export_static`. The others leave it.
        bits: of mixed; see `students.exporting.files.export_mixed`. The others leave them.
        form: of the graph.

    Raises:
        UserError: no such precision, or the model can't be written in it.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    settings: dict[str, dict[str, object]] = {STATIC: {"calibration": calibration}, MIXED: {"bits": bits}}
    more = settings.get(precision, {})
    PRECISIONS[precision](model, path, metadata, form=form, **more)


def check_kernels(model: PreTrainedModel, precision: str, *, trained: bool = False) -> None:
    """Raise UserError, before anything long, where a model's operators have no kernel in a precision.

    Args:
        model: of any family.
        precision: of `PRECISIONS`.
        trained: whether the ranges of int8-static would be those of a training.
    """
    if precision in {STATIC, MIXED} and not can_write(model):
        kind = "fixed ranges" if precision == STATIC else "mixed bits"
        raise UserError(
            f"{type(model).__name__} ({model.config.model_type}) goes through torch's exporter, whose operators have "
            f"no kernel with {kind}: take int8{' or int4' if precision == MIXED else ''}."
        )
    if trained and has_no_norm(model):
        raise UserError(
            f"{type(model).__name__} has norms that are folded into its layers, whose trained ranges change: take "
            "int8-static, which calibrates on texts."
        )


def check_given(precisions: Collection[str], calibration: object, bits: object) -> None:
    """Raise UserError if int8-static is wanted, and nothing gives its ranges; or mixed, and nothing gives its bits."""
    if MIXED in precisions and bits is None:
        raise UserError(f"--precision {MIXED} has 4 or 8 bits by layer: give --bits FILE, JSON with the bits of each.")
    if STATIC in precisions and calibration is None:
        raise UserError(
            f"--precision {STATIC} has fixed ranges: give --calibration FILE, with a text a line, or --ranges FILE, "
            "of a quantisation-aware training."
        )
