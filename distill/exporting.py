"""Exports teacher and student, and proves each file against PyTorch on the evaluation split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from distill.data.encoding import MODEL_INPUTS
from distill.evaluation import Difference, difference
from distill.preparation import Logits, Run
from distill.reading import Reading
from pocketbert.devices import move
from pocketbert.files import folder_name
from students.exporting.files import export_fp32, export_int8
from students.exporting.parity import Parity, parity
from students.exporting.running import run_onnx

Write = Callable[..., None]
"""Writes a model, given it, a path and metadata."""

USUAL: Mapping[str, Write] = {"fp32": export_fp32, "int8": export_int8}


@dataclass(frozen=True)
class Exported:
    """An ONNX file and what it does to the model.

    Attributes:
        name: "student int8" and the like.
        path: the file; it is gone if refused.
        bytes: its size.
        logits: [N, C] on the evaluation split, from ONNX Runtime.
        parity: distance of the logits from PyTorch's.
        metric_drop: PyTorch's metric minus the file's.
        change: the same with the other sign and its paired interval.
        limit: the drop above which a file is refused.
    """

    name: str
    path: Path
    bytes: int
    logits: NDArray[np.floating[Any]]
    parity: Parity
    metric_drop: float
    change: Difference
    limit: float

    @property
    def refused(self) -> bool:
        """Whether the file surely loses more than nothing, and more than the limit allows."""
        return self.metric_drop > self.limit and self.change.high < 0

    @property
    def doubtful(self) -> bool:
        """Whether the file loses more than the limit on rows too few to tell."""
        return self.metric_drop > self.limit and not self.refused

    def describe(self) -> str:
        """Say in one line what the file is, or why it was refused."""
        largest = self.parity["max_logit_difference"]
        drop = f"metric {0.0 - self.metric_drop:+.4f}, largest logit difference {largest:.2g}"
        if self.refused:
            return f"{self.name}: refused and removed: {drop}, more than --max-drop {self.limit:g} allows"
        if self.doubtful:
            drop += f" (over --max-drop {self.limit:g}, but the rows are too few to tell)"
        return f"{self.name}: {self.path}, {self.bytes / 1e6:.1f} MB, {drop}"


def export_and_prove(
    run: Run, student_logits: Logits, folder: Path, limit: float, more: Mapping[str, Write] | None = None
) -> list[Exported]:
    """Write fp32 and int8 files of the first teacher and the student.

    Args:
        run: with both models in the data's units.
        student_logits: what the student says in PyTorch on the evaluation split, [N, C].
        folder: the run's.
        limit: files that lose more than this on the metric are removed.
        more: by precision, what else writes a file of the student.
    """
    places = {
        "teacher": (run.teacher.model, run.readings[0], run.member_answers[0], folder / "teacher-onnx"),
        "student": (run.student, run.reading, student_logits, folder / "student"),
    }
    writers: dict[str, dict[str, Write]] = {"teacher": dict(USUAL), "student": {**USUAL, **(more or {})}}
    return [
        _export(run, f"{role} {precision}", write, model, reading, reference, place / f"model-{precision}.onnx", limit)
        for role, (model, reading, reference, place) in places.items()
        for precision, write in writers[role].items()
    ]


def origin(recipe: str, teachers: Sequence[str], data: str) -> dict[str, str]:
    """Return what a run's files say of it; where a teacher lies on this machine is nobody else's business."""
    return {"recipe": recipe, "teacher": " + ".join(folder_name(each) for each in teachers), "data": data}


def _export(
    run: Run,
    name: str,
    write: Write,
    model: PreTrainedModel,
    reading: Reading,
    reference: Logits,
    path: Path,
    limit: float,
) -> Exported:
    path.parent.mkdir(parents=True, exist_ok=True)
    device = model.device
    metadata = origin(run.config.recipe.name, run.config.teachers, run.data.fingerprint)
    move(model, "cpu")
    write(model, path, metadata)
    move(model, device)
    rows = reading.rows.evaluation
    columns = rows.select_columns([column for column in MODEL_INPUTS if column in rows.column_names])
    # One row at a time, as a device does: int8 activations share one scale a batch, so neighbours would matter.
    logits = run_onnx(path, columns.to_list(), batch_size=32 if path.stem.endswith("fp32") else 1)
    change = difference(run.task, run.labels, logits, reference)
    result = Exported(
        name=name,
        path=path,
        bytes=path.stat().st_size,
        logits=logits,
        parity=parity(reference, logits),
        metric_drop=-change.difference,
        change=change,
        limit=limit,
    )
    if result.refused:
        path.unlink()
    return result
