"""`python -m benchmarks.throughput.caching`: what keeping a teacher's states costs at first, and spares afterwards."""

import copy
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from benchmarks.throughput.task import STUDENT, TEACHER, sentences_for, write_task
from benchmarks.throughput.training import recipe_of, texts_of
from distill.caching import TEXT, CachedCollator, Caching
from distill.data.encoding import Collator, PaddingCollator
from distill.stages import Conditions, build_distiller, run_recipe
from pocketbert import command
from pocketbert.errors import unknown
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor
from students.building import load_student
from teachers.caching.codes import CODES
from teachers.loading import load_teacher

GIGABYTES = 100
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def caching(
    texts: Annotated[Path, typer.Option(help="A text a line, or a .tsv with a column 'sentence'.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    *,
    teacher: Annotated[list[str] | None, typer.Option(help="Names or folders. Default: minilm.")] = None,
    student: Annotated[str, typer.Option(help="Name of the catalogue.")] = "tiny",
    code: Annotated[str, typer.Option(help=f"How states are kept: {', '.join(CODES)}.")] = "fp16",
    size: Annotated[int, typer.Option(min=1, help="Texts a batch.")] = 32,
    most: Annotated[int, typer.Option(min=1, help="Texts that are read.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, help="Of everything, in turn; medians count.")] = 3,
) -> None:
    """Time an epoch that asks the teacher, writing the cache, and an epoch from it, for each teacher."""
    if code not in CODES:
        raise unknown("way to keep states", code, CODES)
    sentences = sentences_for(texts, most, size, student)
    facts = {
        "texts": len(sentences), "texts a batch": size, "rounds": rounds, "threads": torch.get_num_threads(),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", ""), "processor": processor(), "commit": commit() or "",
        "command": shlex.join(["python", "-m", "benchmarks.throughput.caching", *sys.argv[1:]]),
    }  # fmt: skip
    rows = []
    for name in teacher or ["minilm"]:
        loaded = load_teacher(name, "classification", ["negative", "positive"])
        with tempfile.TemporaryDirectory() as place:
            write_task(Path(place), loaded.model, loaded.tokenizer, student, sentences, size)
            found = [_round(Path(place), code, size) for _ in range(rounds)]
        rows.append({"teacher": Path(name).name, "student": student} | _row(found) | {"kept as": code} | facts)
        write_csv(results, rows)
        Console(soft_wrap=True).print("; ".join(f"{key}: {value}" for key, value in rows[-1].items()))


def _round(folder: Path, code: str, size: int) -> dict[str, float]:
    """Return the seconds of each part, and the gigabytes of the cache."""
    teacher, student = load_student(folder / TEACHER), load_student(folder / STUDENT)
    recipe = recipe_of(folder, epochs=1, min_steps=0, batch_size=size)
    rows, collator = texts_of(folder), PaddingCollator(0)

    def epoch(given: Collator, numbered: bool) -> float:
        conditions = Conditions(rows.add_column(TEXT, range(len(rows))) if numbered else rows, given, 0, "")
        with tempfile.TemporaryDirectory() as out:
            begin = time.perf_counter()
            run_recipe(recipe, copy.deepcopy(student), teacher, conditions, Path(out))
            return time.perf_counter() - begin

    asked = epoch(collator, False)
    needs = build_distiller(recipe.stages[0], student, teacher).teacher_needs
    begin = time.perf_counter()
    cache = Caching(teacher, needs, rows, collator, code, GIGABYTES).carry_out("key", folder / "run" / "cache", "")
    written = time.perf_counter() - begin
    timed = _Timed(CachedCollator(collator, cache))
    kept = epoch(timed, True)
    gigabytes = cache.plan.bytes / 1e9
    del cache
    shutil.rmtree(folder / "run")
    return {"asked": asked, "written": written, "kept": kept, "read": timed.seconds, "GB": gigabytes}


class _Timed:
    """Makes batches, and counts the seconds."""

    def __init__(self, collator: Collator) -> None:
        self._collator = collator
        self.seconds = 0.0

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        begin = time.perf_counter()
        batch = self._collator(rows)
        self.seconds += time.perf_counter() - begin
        return batch


def _row(found: Sequence[Mapping[str, float]]) -> dict[str, str]:
    def median(name: str) -> float:
        return statistics.median(each[name] for each in found)

    first = statistics.median((each["written"] + each["kept"]) / each["asked"] - 1 for each in found)
    faster = statistics.median(each["asked"] / each["kept"] for each in found)
    return {
        "epoch, teacher asked, s": f"{median('asked'):.1f}",
        "writing, s": f"{median('written'):.1f}",
        "epoch, teacher kept, s": f"{median('kept'):.1f}",
        "first epoch longer by %": f"{100 * first:+.0f}",
        "next epochs x times as fast": f"{faster:.2f}",
        "reading, % of an epoch": f"{100 * statistics.median(each['read'] / each['kept'] for each in found):.1f}",
        "GB": f"{median('GB'):.2f}",
    }


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.throughput.caching")
