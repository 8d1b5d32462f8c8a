"""What a chain's model is worth after each step: its file, and its answers beside those before."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from datasets import Dataset

from distill.compression.files import write_file
from distill.compression.keeping import FILE, Kept
from distill.compression.state import FLOAT, State
from distill.compression.steps.base import Applied
from distill.data.encoding import MODEL_INPUTS
from distill.evaluation import difference, divergence, predict, quality
from distill.pipeline import answer, answered
from distill.preparation import Logits, Run, taught_rows
from students.exporting.running import run_onnx

LEAST_UNLABELLED, MOST_UNLABELLED = 1000, 10_000
TOLD = "unlabelled-answers.safetensors"


def measure(run: Run, applied: Applied, name: str, folder: Path, start: Logits, before: Logits) -> Kept:
    """Write a step's file and measure it.

    Args:
        run: with its teachers ready.
        applied: the model after the step.
        name: of the step.
        folder: of the step.
        start: what the model said before the first step, [N, C].
        before: what its file said before this one.
    """
    state, path = applied.state, folder / FILE
    write_file(run, state, path)
    floats = answer(run, state.model, state.reading)
    logits = floats if state.precision == FLOAT else run.task.in_units(said(state, state.reading.rows.evaluation, path))
    document = {
        "name": name,
        "note": applied.note,
        "precision": state.precision,
        "bytes": path.stat().st_size,
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
        "quality": asdict(quality(run.task, run.labels, logits, run.teacher_logits)),
        "minus_start": asdict(difference(run.task, run.labels, logits, start)),
        "minus_before": asdict(difference(run.task, run.labels, logits, before)),
        "unlabelled": unlabelled(run, state, path),
    }
    return Kept(state, path, logits, floats, document)


def said(state: State, rows: Dataset, path: Path) -> Logits:
    """Return what a state's model says on rows, [N, C]: its file, a row at a time as a device runs it, if it rounds."""
    if state.precision == FLOAT:
        return predict(state.model, rows, state.reading.collator)
    columns = rows.select_columns([column for column in MODEL_INPUTS if column in rows.column_names])
    return run_onnx(path, columns.to_list(), batch_size=1)


def unlabelled(run: Run, state: State, path: Path) -> dict[str, float] | None:
    """Return agreement with the teacher, and divergence from it, on up to 10,000 rows without labels.

    The evaluation rows may be few; on these the model need not be right, only alike. None where there are too few, or
    the answers are no classes.
    """
    rows, labelled = state.reading.rows.found, len(state.reading.rows.labelled)
    count = min(len(rows), len(taught_rows(run, state.reading))) - labelled
    if run.task.kind != "classification" or count < LEAST_UNLABELLED:
        return None
    chosen = labelled + np.random.default_rng(run.config.seed).permutation(count)[:MOST_UNLABELLED]
    told = answered(run, taught_rows(run, state.reading), run.folder / TOLD, chosen.tolist())
    theirs = np.asarray(told["teacher_logits"][:], dtype=np.float32)
    ours = said(state, rows.select(chosen.tolist()), path)
    same = float((ours.argmax(-1) == theirs.argmax(-1)).mean())
    return {"rows": len(chosen), "agreement": same, "kl": divergence(theirs, ours)}
