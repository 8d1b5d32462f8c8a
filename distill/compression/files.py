"""The file that a state is shipped as, in its precision."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from distill.compression.state import State
from distill.data.encoding import MODEL_INPUTS
from distill.exporting import origin
from distill.preparation import Run
from pocketbert.devices import move
from students.calibration import Calibration, trained
from students.exporting.direct import as_written
from students.exporting.precisions import STATIC, export
from students.exporting.ranges import calibrate
from students.exporting.running import Encoding

CALIBRATION_ROWS = 256


def write_file(run: Run, state: State, path: Path) -> None:
    """Write a state's model as one ONNX file.

    Raises:
        UserError: the family can't be written in that precision.
    """
    device = state.model.device
    path.parent.mkdir(parents=True, exist_ok=True)
    move(state.model, "cpu")
    metadata = origin(run.config.recipe.name, run.config.teachers, run.data.fingerprint)
    writer(run, state)(state.model, path, metadata)
    move(state.model, device)


def writer(run: Run, state: State) -> Callable[..., None]:
    """Return what writes a model in a state's precision, given model, path and metadata."""

    def write(model: PreTrainedModel, path: Path, metadata: Mapping[str, object]) -> None:
        export(model, path, state.precision, metadata, calibration=calibration, bits=state.bits or None)

    calibration: Calibration | None = None
    if state.precision == STATIC and state.ranges:
        calibration = trained(state.ranges)
    elif state.precision == STATIC:
        calibration = calibrate(as_written(state.model), calibration_rows(run, state), state.method)
    return write


def calibration_rows(run: Run, state: State) -> Sequence[Encoding]:
    """Return labelled rows as ids, drawn at random."""
    rows = state.reading.rows.labelled
    chosen = np.random.default_rng(run.config.seed).permutation(len(rows))[:CALIBRATION_ROWS].tolist()
    found: list[Encoding] = (
        rows.select(chosen).select_columns([name for name in MODEL_INPUTS if name in rows.column_names]).to_list()
    )
    return found
