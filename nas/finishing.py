"""The best students distilled with the whole recipe, exported and measured, each by a `distill.run` of its own."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from benchmarks.memory import peak_memory
from benchmarks.report_facts import quality, shipped
from nas.footprint import MEGABYTE, Footprint, Reference, Setting
from nas.front import Candidate
from nas.goals import Goals, cost_of
from nas.objective import told
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, read_json

LOCK = ".finishing"
MARGIN = 0.02
"""Of a limit."""


@dataclass(frozen=True)
class Finished:
    """A student distilled with the whole recipe.

    Attributes:
        student: what `--student` takes.
        folder: of its run, with report and files.
        form: of the file that ships, such as int8.
        quality: that file's metric on the evaluation split.
        before_export: the metric of the student in PyTorch.
        teacher: the teacher's metric.
        footprint: the file's costs, measured beside the other finished ones.
        proxy: the metric that the search saw; None for the hand-made student.
    """

    student: str
    folder: Path
    form: str
    quality: float
    before_export: float
    teacher: float
    footprint: Footprint
    proxy: float | None

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"folder": str(self.folder)}


def ranked(finished: Sequence[Finished], goals: Goals) -> list[Finished]:
    """Return finished students, the best first: those that keep the limits, by what is wanted of them.

    Args:
        finished: the hand-made student may be among them.
        goals: objectives and limits.
    """

    def rank(each: Finished) -> tuple[bool, bool, float]:
        lost = goals.lost(each.quality, each.teacher)
        wanted = -each.quality if lost is None else cost_of(each.footprint, goals.first_cost)
        return bool(over(each, goals)), lost is not None and lost > 0, wanted

    return sorted(finished, key=rank)


def over(finished: Finished, goals: Goals) -> list[str]:
    """Say which limits a finished student is over; what measuring again or metadata make of it does not count."""
    violations = goals.violations(finished.footprint)
    return [
        f"{told(name, finished.footprint)}, and {goals.limit(name):g} is the limit"
        for name, violation in violations.items()
        if violation > MARGIN
    ]


def warnings(finished: Sequence[Finished], goals: Goals) -> list[str]:
    """Return what is to be said of the student that is handed over."""
    if not finished or not (found := over(finished[0], goals)):
        return []
    best = finished[0]
    why = "" if best.form == "int8" else f" Its int8 file was refused, so the {best.form} file counts."
    return [
        f"{best.student} is over the limit as it was finished: {'; '.join(found)}.{why} Finish more (--finish), or "
        "search with a lower limit."
    ]


def finish(
    chosen: Sequence[tuple[str, Candidate | None]],
    words: Sequence[str],
    out: Path,
    costs: Callable[[Sequence[str], Sequence[Path]], Sequence[Footprint]],
    console: Console,
) -> list[Finished]:
    """Distil students with the whole recipe; those that are finished already are found again.

    Args:
        chosen: students' texts, each with what the search knew of it.
        words: options of `distill.run` beside student and folder.
        out: the search's folder.
        costs: returns what students and their files cost.
        console: says what is being done.

    Raises:
        UserError: a run failed, as it said itself.
    """
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print("another worker of this folder finishes the best students")
        return []
    try:
        folders = [_distilled(student, words, out, console) for student, _ in chosen]
    finally:
        lock.release()
    records = [read_json(folder / "run.json") for folder in folders]
    files = [
        folder / "student" / f"model-{_form(record)}.onnx" for folder, record in zip(folders, records, strict=True)
    ]
    footprints = costs([student for student, _ in chosen], files)
    return [
        Finished(
            student=student,
            folder=folder,
            form=_form(record),
            quality=quality(record, shipped(record).quality) or 0.0,
            before_export=quality(record, "student") or 0.0,
            teacher=quality(record, "teacher") or 0.0,
            footprint=footprint,
            proxy=None if candidate is None else candidate.quality,
        )
        for (student, candidate), folder, record, footprint in zip(chosen, folders, records, footprints, strict=True)
    ]


def _form(record: dict[str, Any]) -> str:
    """Return the form of the file that ships."""
    return "int8" if "int8" in shipped(record).file else "fp32"


def _distilled(student: str, words: Sequence[str], out: Path, console: Console) -> Path:
    folder = out / f"finished-{fingerprint(student)[:8]}"
    console.print(f"\nwhole recipe for {student}, in {folder}")
    command = [sys.executable, "-m", "distill.run", *words, "--student", student, "--out", str(folder)]
    done = subprocess.run(command, check=False)  # noqa: S603  (a list, no shell)
    if done.returncode:
        raise UserError(f"{student} could not be finished, as said above; the search is kept, and goes on from here.")
    return folder


def footprints(
    files: Sequence[Path],
    reference: Reference,
    setting: Setting,
    *,
    memory: bool = False,
    predicted_ms: Sequence[float] | None = None,
) -> list[Footprint]:
    """Return what files cost, their latencies measured in turn with the reference.

    Args:
        files: of students.
        reference: the file beside them.
        setting: what is measured.
        memory: measure the peak memory too.
        predicted_ms: the latencies instead, for a device that is not here.
    """
    milliseconds = predicted_ms
    if milliseconds is None:
        milliseconds = reference.scaled(files, setting, 3 * setting.rounds) if files else []
    return [
        Footprint(
            latency,
            path.stat().st_size / MEGABYTE,
            peak_memory(path, setting.length, batch=setting.batch, threads=setting.threads) / MEGABYTE
            if memory
            else None,
        )
        for path, latency in zip(files, milliseconds, strict=True)
    ]
