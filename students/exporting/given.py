"""What the command is given in files: texts, ranges and bits."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pocketbert.errors import UserError
from pocketbert.files import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from students.calibration import Calibration


def lines_of(path: Path, option: str) -> list[str]:
    """Read a text a line for an option; raise UserError where that can't be."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{option} {path} can't be read as UTF-8 text ({error}).") from None
    if not lines:
        raise UserError(f"{option} {path} has no text: give a text a line.")
    return lines


def bits_of(path: Path) -> dict[str, int]:
    """Read the bits of each layer from JSON; raise UserError where that can't be."""
    try:
        return {str(layer): int(bits) for layer, bits in read_json(path).items()}
    except OSError as error:
        raise UserError(f"--bits {path} can't be read ({error.strerror}).") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"--bits {path} is no JSON of bits by layer ({error}).") from None


def calibration_of(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    chosen: Sequence[str],
    texts: Sequence[str] | None,
    ranges: Path | None,
) -> "Calibration | None":
    """Return the ranges of int8-static; None where it isn't wanted.

    Args:
        model: to export.
        tokenizer: its own.
        chosen: precisions.
        texts: to calibrate with, at least 32;
        ranges: or what a quantisation-aware training wrote.

    Raises:
        UserError: too few texts, or a file that can't be read.
    """
    from students.exporting.deployment import encode  # noqa: PLC0415  (seconds)
    from students.exporting.direct import as_written  # noqa: PLC0415  (the same)
    from students.exporting.precisions import STATIC  # noqa: PLC0415  (the same)
    from students.exporting.ranges import calibrate  # noqa: PLC0415  (the same)
    from students.fake_quantization import read_calibration  # noqa: PLC0415  (the same)

    if STATIC not in chosen:
        return None
    if ranges is not None:
        return read_calibration(ranges)
    return calibrate(as_written(model), encode(model, tokenizer, texts or []))
