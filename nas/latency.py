"""`python -m nas.latency`: a latency model of a device, for `python -m nas.search --device`.

On the device itself one command exports students, measures and fits. For a device that can't train, `--files DIR` only
writes the files; `python -m benchmarks.latency DIR/*.onnx --json measured.json` measures them there, and `--measured
measured.json` fits here.
"""

import random
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, track

from benchmarks.device import environment
from benchmarks.measuring import measure
from nas.footprint import Setting
from nas.latency_model import LatencyModel, Timing, check_enough
from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_json

STUDENTS_FILE = "students.json"
MOST_MEDIAN, MOST_WORST = 0.1, 0.3
"""Errors of a latency model, as shares, above which it is no guide."""

console = Console(soft_wrap=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def latency(
    out: Annotated[Path, typer.Option(help="The latency model to write, such as pixel.json.")] = Path("device.json"),
    teacher: Annotated[str, typer.Option(help="Whose students: name, folder or Hub id.")] = "minilm",
    space: Annotated[list[str] | None, typer.Option(help="Restrict the students, as of nas.search.")] = None,
    students: Annotated[int, typer.Option(min=1, help="To fit to.")] = 60,
    unseen: Annotated[int, typer.Option(min=0, help="To tell the error on.")] = 20,
    name: Annotated[str | None, typer.Option(help="The device's name; default: its processor.")] = None,
    files: Annotated[
        Path | None, typer.Option(help="Write the files there and stop; with --measured, where they are.")
    ] = None,
    measured: Annotated[Path | None, typer.Option(help="What benchmarks.latency --json wrote on the device.")] = None,
    length: Annotated[int, typer.Option(min=1, help="Tokens a text.")] = 32,
    batch: Annotated[int, typer.Option(min=1, help="Texts a call.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads within an operator.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the choice of students.")] = 0,
) -> None:
    """Fit a latency model to students measured on a device, and tell its error on others."""
    setting = Setting(length, batch, threads, rounds)
    if measured is not None:
        if files is None:
            raise UserError("--measured: say with --files in which folder the measured files were written.")
        timings, facts = _read(measured, files, setting)
    else:
        with nullcontext(files) if files else TemporaryDirectory() as folder:
            paths = _export(Path(folder), teacher, space or (), (students, unseen), seed)
            if files is not None:
                console.print(
                    f"{len(paths)} files in {folder}: measure them on the device with python -m benchmarks.latency "
                    f"{folder}/*.onnx --length {length} --batch {batch} --threads {threads} --json measured.json, then "
                    "add --measured measured.json to this command."
                )
                return
            timings, facts = _measure(paths, setting), environment()
    if len(timings) <= unseen:
        raise UserError(f"{len(timings)} students were measured, and --unseen {unseen} leaves none to fit to.")
    fitted, kept_back = timings[: len(timings) - unseen], timings[len(timings) - unseen :]
    model = LatencyModel.fitted(name or str(facts.get("processor", "device")), setting, fitted, kept_back, facts)
    model.save(out)
    console.print(f"{out}: {model.device}, fitted to {len(fitted)} students, {length} tokens, batch {batch}")
    if model.errors is not None:
        console.print(
            f"error on {model.errors.students} unseen students: median {100 * model.errors.median:.1f} %, "
            f"worst {100 * model.errors.worst:.1f} %"
        )
        if model.errors.median > MOST_MEDIAN or model.errors.worst > MOST_WORST:
            console.print(
                f"warning: a search should not go by that (more than {100 * MOST_MEDIAN:.0f} %, worst "
                f"{100 * MOST_WORST:.0f} %): measure on a quiet device, with more --students or --rounds."
            )


def _export(folder: Path, teacher: str, space: Sequence[str], counts: tuple[int, int], seed: int) -> dict[str, Path]:
    """Write files of students drawn at random, so many to fit to and so many to keep back; return each student's."""
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415  (seconds, as the four below)

    from nas.spaces import parse_space  # noqa: PLC0415  (seconds)
    from students.building import build_student, proportions  # noqa: PLC0415  (seconds)
    from students.exporting.files import export_int8  # noqa: PLC0415  (seconds)
    from teachers.loading import load_teacher  # noqa: PLC0415  (seconds)

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()

    model = load_teacher(teacher, "classification", ("0", "1")).model
    sizes = proportions(model.config)
    if sizes is None:
        raise UserError(f"teacher {teacher}: its family, {model.config.model_type}, has no space of students.")
    whole = parse_space(space, {}, sizes, model.config.num_hidden_layers, model.config.model_type)
    everyone, count = list(whole.students()), sum(counts)
    if len(everyone) < count:
        raise UserError(
            f"the space has {len(everyone)} students, and {count} are asked for: fewer --students, or widen it."
        )
    drawn = random.Random(seed).sample(everyone, count)  # noqa: S311  (a choice, not a secret)
    check_enough(drawn[: counts[0]])
    paths = {}
    for number, spec in enumerate(track(drawn, "exporting", console=console)):
        path = folder / f"{number:03}.onnx"
        export_int8(build_student(spec, model), path)
        paths[spec.name] = path
    write_json(folder / STUDENTS_FILE, {path.name: student for student, path in paths.items()})
    return paths


def _measure(paths: dict[str, Path], setting: Setting) -> list[Timing]:
    with Progress(console=console) as bar:
        task = bar.add_task("measuring")
        rows = measure(
            paths,
            [setting.length],
            batch=setting.batch,
            threads=setting.threads,
            rounds=setting.rounds,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return [Timing(row.name, row.p50_ms) for row in rows]


def _read(measured: Path, files: Path, setting: Setting) -> tuple[list[Timing], dict[str, Any]]:
    """Return the timings that a device wrote, and what it says of itself."""
    try:
        document, students = read_json(measured), read_json(files / STUDENTS_FILE)
        rows = [row for row in document["rows"] if _at(row, setting)]
        timings = [Timing(students[Path(row["name"]).name], float(row["p50_ms"])) for row in rows]
    except OSError as error:
        raise UserError(f"{error.filename} can't be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{measured} does not fit the files in {files} ({type(error).__name__}: {error}).") from None
    if not timings:
        raise UserError(
            f"{measured} has no row of length {setting.length}, batch {setting.batch}, {setting.threads} thread(s)."
        )
    return timings, document["environment"]


def _at(row: dict[str, Any], setting: Setting) -> bool:
    return (row["length"], row["batch"], row["threads"]) == (setting.length, setting.batch, setting.threads)


if __name__ == "__main__":
    command.run(app, "python -m nas.latency")
