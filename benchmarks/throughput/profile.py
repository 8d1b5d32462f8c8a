"""`python -m benchmarks.throughput.profile`: what the time of a training from kept states goes into."""

import copy
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.throughput.caching import GIGABYTES
from benchmarks.throughput.task import STUDENT, TEACHER, sentences_for, write_task
from benchmarks.throughput.training import recipe_of, texts_of
from distill.caching import TEXT, CachedCollator, Caching
from distill.data.encoding import Collator, PaddingCollator
from distill.stages import Conditions, build_distiller, run_recipe
from pocketbert import command
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor
from students.building import load_student
from teachers.caching.codes import CODES
from teachers.loading import load_teacher

READING = "reading kept states"
WARM = 10
"""Steps before the ones that count."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "matrix products": ("mm", "linear", "attention", "matmul"),
    "dropout": ("dropout", "bernoulli"),
    "norms, activations and their gradients": ("norm", "gelu", "tanh", "softmax", "relu"),
    "optimizer and clipping": ("adamw", "foreach", "optimizer", "linalg", "index_copy", "coalesce"),
    "word table": ("embedding", "index_select", "index"),
    "copies": ("copy", "clone", "cat", "contiguous", "_to"),
    "losses, sums and the like": ("mul", "add", "sub", "sum", "mean", "pow", "div", "fill", "zero", "square"),
}
"""A part and words in the names of its operators, the first that fits."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(name="profile")
def profiled(
    texts: Annotated[Path, typer.Option(help="A text a line, or a .tsv with a column 'sentence'.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    *,
    teacher: Annotated[str, typer.Option(help="Name or folder.")] = "minilm",
    student: Annotated[str, typer.Option(help="Name of the catalogue.")] = "tiny",
    code: Annotated[str, typer.Option(help=f"How states are kept: {', '.join(CODES)}.")] = "fp16",
    size: Annotated[int, typer.Option(min=1, help="Texts a batch.")] = 32,
    most: Annotated[int, typer.Option(min=1, help="Texts that are read.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="That are counted.")] = 60,
) -> None:
    """Train from kept states, and tell what share of the time each kind of work takes."""
    sentences = sentences_for(texts, most, size, student)
    loaded = load_teacher(teacher, "classification", ["negative", "positive"])
    with tempfile.TemporaryDirectory() as place:
        write_task(Path(place), loaded.model, loaded.tokenizer, student, sentences, size)
        seconds, whole = _seconds(Path(place), code, size, steps)
    facts = {
        "teacher": Path(teacher).name, "student": student, "kept as": code, "steps": steps, "texts a batch": size,
        "threads": torch.get_num_threads(), "processor": processor(), "commit": commit() or "",
        "command": shlex.join(["python", "-m", "benchmarks.throughput.profile", *sys.argv[1:]]),
    }  # fmt: skip
    shares = {part: 100 * spent / whole for part, spent in seconds.items()}
    shares["Python, the Trainer and what has no part"] = 100 - sum(shares.values())
    write_csv(results, [{"part": part, "share of a step %": f"{share:.1f}"} | facts for part, share in shares.items()])
    out = Console(soft_wrap=True)
    for part, share in shares.items():
        out.print(f"{share:5.1f} %  {part}")


class _Watched:
    """Makes batches; profiles from one of them on, and says when to stop."""

    def __init__(self, collator: Collator, profiler: profile) -> None:
        self._collator, self._profiler = collator, profiler
        self.batches = 0
        self.begin = 0.0

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if self.batches == WARM:
            self._profiler.start()
            self.begin = time.perf_counter()
        self.batches += 1
        with record_function(READING):
            return self._collator(rows)


def _seconds(folder: Path, code: str, size: int, steps: int) -> tuple[dict[str, float], float]:
    """Return the seconds of each part, and of all steps that count."""
    teacher, student = load_student(folder / TEACHER), load_student(folder / STUDENT)
    recipe = recipe_of(folder, max_steps=WARM + steps, batch_size=size)
    rows, collator = texts_of(folder), PaddingCollator(0)
    needs = build_distiller(recipe.stages[0], student, teacher).teacher_needs
    cache = Caching(teacher, needs, rows, collator, code, GIGABYTES).carry_out("profile", folder / "run" / "cache", "")
    profiler = profile(activities=[ProfilerActivity.CPU])
    watched = _Watched(CachedCollator(collator, cache), profiler)
    conditions = Conditions(rows.add_column(TEXT, range(len(rows))), watched, 0, "")
    with tempfile.TemporaryDirectory() as out:
        run_recipe(recipe, copy.deepcopy(student), teacher, conditions, Path(out))
        whole = time.perf_counter() - watched.begin
        profiler.stop()
    return _by_part(profiler), whole


def _by_part(profiler: profile) -> dict[str, float]:
    """Return the seconds of each part of what a profiler has seen; reading counts with all that it calls."""
    found = dict.fromkeys((*PARTS, READING), 0.0)
    inside = {READING}
    for event in profiler.events():
        names = [event.name]
        above = event.cpu_parent
        while above is not None:
            names.append(above.name)
            above = above.cpu_parent
        part = READING if inside & set(names) else _part_of(event.name)
        if part is not None:
            found[part] += event.self_cpu_time_total / 1e6
    return found


def _part_of(name: str) -> str | None:
    """Return the part that an operator belongs to by its name."""
    if not name.startswith(("aten::", "Optimizer")):
        return None
    lower = name.lower()
    return next((part for part, words in PARTS.items() if any(word in lower for word in words)), None)


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.throughput.profile")
