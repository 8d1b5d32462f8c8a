"""What stands beside a run's files: the student's can be shipped as they are, the teacher's checked on a phone."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from distill.exporting import USUAL, Exported
from distill.preparation import Run
from pocketbert.files import folder_name
from students.exporting.deployment import Text, describe, golden_of
from students.exporting.golden import GOLDEN, check
from students.exporting.readme import Deployed

SENTENCES = 16


def ship(run: Run, exported: Sequence[Exported], folder: Path) -> None:
    """Write golden sentences, labels and README for the student's files that were not refused.

    Args:
        run: with its student in the data's units.
        exported: all files of the run.
        folder: of the student.
    """
    paths = [file.path for file in exported if file.path.parent == folder and not file.refused]
    for earlier in set(folder.glob("model-*.onnx")) - set(paths):  # of a chain that this run has no more
        earlier.unlink()
    if not paths:
        return
    tokenizer = run.reading.tokenizer
    golden = golden_of(run.student, tokenizer, _sentences(run))
    files = [Deployed(path.name, path.stat().st_size / 1e6, check(golden, path)) for path in paths]
    usual = {f"model-{precision}.onnx" for precision in USUAL}
    of_chain = next((file.name for file in files if file.name not in usual), None)
    describe(run.student, tokenizer, folder, golden, files, title(run.student_name, run.task.name), shown=of_chain)


def title(student: str, task: str) -> str:
    """Return the heading of a student's README; where it lies on this machine is nobody else's business."""
    return f"{folder_name(student)} for {task}"


def prove_teacher(run: Run, folder: Path) -> None:
    """Write golden sentences beside the teacher's files, so that a phone can check them, too.

    Args:
        run: with its first teacher in the data's units.
        folder: of the teacher's files.
    """
    paths = sorted(folder.glob("*.onnx"))
    if paths:
        golden = golden_of(run.teacher.model, run.readings[0].tokenizer, _sentences(run))
        replace(golden, made={path.name: asdict(check(golden, path)) for path in paths}).write(folder / GOLDEN)


def _sentences(run: Run) -> list[Text]:
    """Return evaluation rows of all lengths, the shortest and the longest among them."""
    rows = run.data.evaluation
    texts = [row["text"] if "text_pair" not in row else (row["text"], row["text_pair"]) for row in rows]
    order = np.argsort([len("".join(text)) for text in texts], kind="stable")
    places = np.linspace(0, len(order) - 1, min(SENTENCES, len(order))).round().astype(int)
    return [texts[order[place]] for place in places]
