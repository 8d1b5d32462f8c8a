"""Which form of a graph is the fastest, told from measurements of all of them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from pocketbert.errors import UserError
from pocketbert.files import read_json
from students.calibration import Calibration
from students.exporting.direct import can_write
from students.exporting.forms import FORMS, Form
from students.exporting.golden import GOLDEN, Golden
from students.exporting.precisions import export

FOLDER = "forms"
WORTH = 1.02
"""So many times as fast as the default a form must be to take its place: less is noise."""


@dataclass(frozen=True)
class Tuned:
    """One form as measured.

    Attributes:
        precision: of `PRECISIONS`.
        form: of its `FORMS`.
        speed: how many times as fast as the default, the geometric mean over lengths and threads.
        chosen: whether it is the one to keep.
    """

    precision: str
    form: Form
    speed: float
    chosen: bool


def file_name(precision: str, form: Form) -> str:
    """Return the name of a form's file."""
    return f"model-{precision}-{form.name}.onnx"


def write_forms(
    model: PreTrainedModel,
    folder: Path,
    precisions: Sequence[str],
    golden: Golden,
    metadata: Mapping[str, object] | None = None,
    calibration: Calibration | None = None,
    bits: Mapping[str, int] | None = None,
) -> list[Path]:
    """Write every form of every precision, and the golden sentences beside them; return the files.

    Raises:
        UserError: the model is not written from its weights, and has one form.
    """
    check_has_forms(model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GOLDEN).unlink(missing_ok=True)  # a folder that is half made has none
    paths = []
    for precision in precisions:
        for form in FORMS[precision]:
            paths.append(folder / file_name(precision, form))
            export(model, paths[-1], precision, metadata, calibration=calibration, bits=bits, form=form)
    golden.write(folder / GOLDEN)
    return paths


def check_has_forms(model: PreTrainedModel) -> None:
    """Raise UserError if a model has one form alone."""
    if not can_write(model):
        raise UserError(
            f"{type(model).__name__} goes through torch's exporter, and has one form: leave --tune, --every-form and "
            "--measured out."
        )


def tuned(rows: Iterable[Mapping[str, Any]], precisions: Sequence[str]) -> list[Tuned]:
    """Return the forms with their speeds, and which of each precision to keep.

    Args:
        rows: with `name` (see `file_name`), `length`, `threads` and `p50_ms`.
        precisions: those that are wanted.

    Raises:
        UserError: a form was not measured, or not at the lengths and threads of the others.
    """
    times: dict[str, dict[tuple[int, int], float]] = {}
    for row in rows:
        times.setdefault(Path(str(row["name"])).name, {})[row["length"], row["threads"]] = float(row["p50_ms"])
    found = []
    for precision in precisions:
        forms = FORMS[precision]
        measured = {form: times.get(file_name(precision, form), {}) for form in forms}
        places = set(measured[forms[0]])
        if lacking := [form for form in forms if not measured[form] or set(measured[form]) != places]:
            raise UserError(f"{file_name(precision, lacking[0])} was not measured beside the others.")
        speeds = {form: _speed(measured[forms[0]], measured[form]) for form in forms}
        best = max(forms, key=lambda form: speeds[form])
        kept = best if speeds[best] >= WORTH else forms[0]
        found += [Tuned(precision, form, speeds[form], form is kept) for form in forms]
    return found


def measured_elsewhere(path: Path, precisions: Sequence[str]) -> list[Tuned]:
    """Return what a device's result says of the forms; see `tuned`.

    Args:
        path: what benchmarks.latency --json or benchmarks.phone wrote.
        precisions: those that are wanted.
    """
    try:
        return tuned(read_json(path)["rows"], precisions)
    except OSError as error:
        raise UserError(f"--measured {path} can't be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(
            f"--measured {path} is no result of benchmarks.latency or benchmarks.phone ({error})."
        ) from None
    except UserError as error:
        raise UserError(f"--measured {path}: {error} Write all with --every-form, and measure that folder.") from None


def _speed(first: Mapping[tuple[int, int], float], other: Mapping[tuple[int, int], float]) -> float:
    return math.exp(sum(math.log(first[place] / other[place]) for place in first) / len(first))
