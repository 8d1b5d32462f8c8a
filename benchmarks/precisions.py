"""`python -m benchmarks.precisions DIR…`: what each precision of a model's ONNX file costs it on labelled sentences."""

import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmarks.sentences import LABEL, SENTENCE, encoded, read_labelled
from distill.data.tasks import Task
from distill.evaluation import difference, divergence
from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor
from students.exporting.answers import torch_answers
from students.exporting.direct import as_written
from students.exporting.loading import find_folder, load
from students.exporting.precisions import MIXED, PRECISIONS, STATIC, export
from students.exporting.ranges import calibrate
from students.exporting.running import run_onnx
from students.exporting.tasks import task_of

Floats = NDArray[np.floating[Any]]
ROWS = 10_000
CALIBRATED = 128
"""Texts that ranges are taken of."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def precisions(
    folders: Annotated[list[Path], typer.Argument(help="Hugging Face folders with a head of two classes.")],
    labelled: Annotated[Path, typer.Option(help="A .tsv (sentence, label) that the models were not trained on.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    rows: Annotated[int, typer.Option(min=2, help="Of the file, from its beginning.")] = ROWS,
    calibration: Annotated[
        Path | None, typer.Option(help="Another .tsv, of which int8-static takes its ranges; default: none is made.")
    ] = None,
) -> None:
    """Write every precision of each model, and compare its answers, a text at a time, with PyTorch's."""
    texts, labels = read_labelled(labelled, rows)
    ranged = None if calibration is None else read_labelled(calibration, CALIBRATED)[0]
    found: list[dict[str, object]] = []
    loaded = {folder: load(find_folder(folder)) for folder in folders}
    for folder, (model, _) in loaded.items():
        if (task := task_of(model)) is None or task.name != "classification" or model.config.num_labels != 2:
            raise UserError(f"{folder} has no head of two classes: give a model trained on such sentences.")
    for folder, (model, tokenizer) in loaded.items():
        found += [{"model": folder.name} | row for row in _rows(model, tokenizer, texts, np.array(labels), ranged)]
    facts = {
        "rows": len(texts),
        "processor": processor(),
        "commit": commit(),
        "command": shlex.join(["python", "-m", "benchmarks.precisions", *sys.argv[1:]]),
    }
    write_csv(results, [row | facts for row in found])
    for row in found:
        typer.echo("; ".join(f"{name}: {value}" for name, value in row.items()))


def _rows(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    labels: Floats,
    ranged: list[str] | None,
) -> list[dict[str, object]]:
    """Return a row a precision."""
    task = Task("sentences", "classification", (SENTENCE,), LABEL, ("0", "1"), "accuracy")
    encodings = encoded(model, tokenizer, texts)
    answered = task_of(model)
    assert answered is not None  # noqa: S101  (checked before)
    feeds = ({name: np.array([ids]) for name, ids in encoding.items()} for encoding in encodings)
    reference = np.concatenate([torch_answers(model, answered, feed)["logits"] for feed in feeds])
    right = float((reference.argmax(-1) == labels).mean())
    rows: list[dict[str, object]] = []
    with TemporaryDirectory() as place:
        fixed = None if ranged is None else calibrate(as_written(model), encoded(model, tokenizer, ranged))
        wanted = [each for each in PRECISIONS if each != MIXED and (each != STATIC or fixed is not None)]
        for precision in track(wanted, model.config.model_type, transient=True):
            path = Path(place, "model.onnx")
            export(model, path, precision, calibration=fixed)
            logits = run_onnx(path, encodings, batch_size=1)
            change = difference(task, labels, logits, reference)
            apart = np.abs(logits - reference)
            rows.append(
                {
                    "precision": precision,
                    "MB": f"{path.stat().st_size / 1e6:.1f}",
                    "accuracy in PyTorch": f"{100 * right:.2f}",
                    "points lost or gained": "{:+.2f} [{:+.2f}, {:+.2f}]".format(
                        *(100 * value for value in (change.difference, change.low, change.high))
                    ),
                    "same answers %": f"{100 * (logits.argmax(-1) == reference.argmax(-1)).mean():.2f}",
                    "KL": f"{divergence(reference, logits):.6f}",
                    "mean logit error": f"{apart.mean():.4f}",
                    "largest": f"{apart.max():.3f}",
                }
            )
    return rows


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.precisions")
