"""`python -m students.export DIR`: a model's folder to ship, proven against PyTorch."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pocketbert import command
from pocketbert.errors import UserError, unknown
from students.exporting.given import bits_of, calibration_of, lines_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from students.calibration import Calibration
    from students.exporting.forms import Form
    from students.exporting.golden import Golden
    from students.exporting.readme import Deployed

TASKS = ("classification", "token-classification", "question-answering", "embedding")
PRECISIONS = ("fp32", "fp16", "int8", "int8-full", "int8-tables4", "int8-static", "int4", "mixed")
WIDTH = 160
LENGTHS, ROUNDS = (16, 32, 64, 128), 12

console = Console(soft_wrap=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A Hugging Face folder with safetensors, or a run's folder.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Where to write; default: onnx/ inside the folder.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(PRECISIONS)}; several times. Default: fp32 and int8.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help=f"{', '.join(TASKS)}. Default: as the folder's configuration says.")
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="A text a line, for the golden sentences. Default: those of the folder's, or some English ones."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="A text a line, at least 32, like those it will read: int8-static takes its ranges of them."),
    ] = None,
    ranges: Annotated[
        Path | None, typer.Option(help="Or what a quantisation-aware training wrote: ranges.json.")
    ] = None,
    bits: Annotated[
        Path | None, typer.Option(help="JSON: 4 or 8 by encoder layer, for mixed (students.sensitivity).")
    ] = None,
    min_agreement: Annotated[
        float, typer.Option(help="Least share of the texts' answers that must be PyTorch's.")
    ] = 0.9,
    max_difference: Annotated[
        float, typer.Option(help="Of a regression: most that a text's answer may differ, as a share of the largest.")
    ] = 0.25,
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure several graphs of each precision here, and keep the fastest.")
    ] = False,
    every_form: Annotated[
        bool, typer.Option("--every-form", help="Write them all into forms/, to be measured on another device.")
    ] = False,
    measured: Annotated[
        Path | None, typer.Option(help="What that device wrote: keep what is the fastest there.")
    ] = None,
    with_tokenizer: Annotated[
        bool, typer.Option("--with-tokenizer", help="Write files that take a text, too (onnxruntime-extensions).")
    ] = False,
    ort: Annotated[
        bool, typer.Option("--ort", help="Write .ort files too, for minimal builds of the runtime.")
    ] = False,
) -> None:
    """Write ONNX files with tokenizer, labels, golden sentences and a README; needs PyTorch only here."""
    chosen = _checked(precision, task, min_agreement, max_difference)
    if tune + every_form + (measured is not None) > 1:
        raise UserError("--tune measures here, --every-form and --measured are for another device: give one of them.")
    lines = None if texts is None else lines_of(texts, "--texts")
    layers = None if bits is None else bits_of(bits)
    ranged = lines_of(calibration, "--calibration") if calibration is not None else None
    if ranged is not None and ranges is not None:
        raise UserError("--calibration takes ranges of texts, and --ranges of a training: give one of them.")
    from pocketbert.weights import check_model_folder  # noqa: PLC0415  (seconds, which --help should not take)
    from students.exporting.deployment import deploy, golden_of  # noqa: PLC0415  (the same)
    from students.exporting.golden import GOLDEN, TEXTS, Golden  # noqa: PLC0415  (the same)
    from students.exporting.loading import find_folder, load  # noqa: PLC0415  (the same)
    from students.exporting.precisions import check_given  # noqa: PLC0415  (the same)
    from students.exporting.source import source_of  # noqa: PLC0415  (the same)
    from students.exporting.tuning import FOLDER, write_forms  # noqa: PLC0415  (the same)
    from students.exporting.with_tokenizer import check_possible  # noqa: PLC0415  (the same)

    check_given(chosen, calibration or ranges, layers)
    place = find_folder(folder)
    check_model_folder(place)
    target, own = out or place / "onnx", place / GOLDEN
    _check_place(target)
    model, tokenizer = load(place, task)
    golden = golden_of(model, tokenizer, lines or (Golden.read(own).texts if own.is_file() else TEXTS))
    source = source_of(place)
    fixed = calibration_of(model, tokenizer, chosen, ranged, ranges)
    if with_tokenizer:
        check_possible(golden)
    if every_form:
        paths = write_forms(model, target / FOLDER, chosen, golden, source, fixed, layers)
        console.print(f"{len(paths)} files in {target / FOLDER}: measure them with python -m benchmarks.phone or "
                      "benchmarks.latency --json, and give what that writes to --measured.")  # fmt: skip
        return
    forms = _forms(model, chosen, golden, measured, fixed, layers, tune=tune)
    files = deploy(
        model, tokenizer, target, golden.texts, chosen, least_agreement=min_agreement,
        most_difference=max_difference, metadata=source, name=folder.resolve().name, forms=forms,
        calibration=fixed, bits=layers, tell=console.print,
    )  # fmt: skip
    _tell_files(files)
    _write_more(tokenizer, target, files, with_tokenizer=with_tokenizer, ort=ort)
    console.print(f"written: {target}")


def _checked(precision: Sequence[str] | None, task: str | None, agreement: float, difference: float) -> list[str]:
    """Return the precisions that are wanted; raise UserError for what there is not."""
    chosen = list(dict.fromkeys(precision or ("fp32", "int8")))
    for each in chosen:
        if each not in PRECISIONS:
            raise unknown("precision", each, PRECISIONS)
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)
    if not 0 <= agreement <= 1:
        raise UserError(f"--min-agreement {agreement}: it must be from 0 to 1.")
    if not 0 < difference < math.inf:
        raise UserError(f"--max-difference {difference}: it must be a number above 0.")
    return chosen


def _check_place(out: Path) -> None:
    """Raise UserError if a folder can't be made, or not be written to."""
    place = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not place.is_dir():
        raise UserError(f"--out {out}: {place} is a file; give a folder.")
    if not os.access(place, os.W_OK):
        raise UserError(f"--out {out}: {place} can't be written; give another folder.")


def _forms(
    model: "PreTrainedModel",
    chosen: Sequence[str],
    golden: "Golden",
    measured: Path | None,
    calibration: "Calibration | None",
    bits: dict[str, int] | None,
    *,
    tune: bool,
) -> dict[str, "Form"]:
    """Return the forms of the graphs that were the fastest, here or elsewhere; none where nobody measured."""
    from students.exporting.lengths import longest_text  # noqa: PLC0415  (seconds)
    from students.exporting.tuning import (  # noqa: PLC0415  (seconds)
        check_has_forms,
        measured_elsewhere,
        tuned,
        write_forms,
    )

    if measured is not None:
        check_has_forms(model)
        found = measured_elsewhere(measured, chosen)
    elif tune:
        with TemporaryDirectory() as temporary:
            files = write_forms(model, Path(temporary), chosen, golden, calibration=calibration, bits=bits)
            found = tuned(_measured(files, longest_text(model)), chosen)
    else:
        return {}
    table = Table(title="forms of the graph")
    for column in ("precision", "form", "times as fast as the default", ""):
        table.add_column(column, justify="right" if "times" in column else "left")
    for each in found:
        table.add_row(each.precision, each.form.name, f"{each.speed:.2f}", "kept" if each.chosen else "")
    console.print(table)
    return {each.precision: each.form for each in found if each.chosen}


def _tell_files(files: Sequence["Deployed"]) -> None:
    table = Table(title=f"{files[0].checked.texts} sentences beside PyTorch")
    for column in ("file", "MB", "largest difference", "agreement"):
        table.add_column(column, justify="left" if column == "file" else "right")
    for file in files:
        same = file.checked.agreement
        difference = f"{file.checked.largest_difference:.2g}"
        table.add_row(file.name, f"{file.megabytes:.1f}", difference, "" if same is None else f"{same:.3f}")
    (console if console.is_terminal or console.width > WIDTH else Console(width=WIDTH)).print(table)


def _write_more(
    tokenizer: "PreTrainedTokenizerBase", out: Path, files: Sequence["Deployed"], *, with_tokenizer: bool, ort: bool
) -> None:
    """Write the files' other forms that are asked for."""
    from students.exporting.golden import GOLDEN, Golden  # noqa: PLC0415  (seconds)
    from students.exporting.minimal import write_ort  # noqa: PLC0415  (the same)
    from students.exporting.readme import add_text_files  # noqa: PLC0415  (the same)
    from students.exporting.with_tokenizer import write_with_tokenizer  # noqa: PLC0415  (the same)

    if with_tokenizer:
        golden, names, otherwise = Golden.read(out / GOLDEN), [], list[str]()
        for file in files:
            made, otherwise = write_with_tokenizer(out / file.name, tokenizer, golden)
            names.append(f"{made.parent.name}/{made.name}")
            console.print(f"{names[-1]}: {made.stat().st_size / 1e6:.1f} MB, takes a text")
        if otherwise:
            console.print(f"they read some letters otherwise than the tokenizer: {', '.join(otherwise)}")
        add_text_files(out, golden, names, otherwise)
    for path in write_ort([out / file.name for file in files]) if ort else ():
        cost = ", in half precision, which it casts at every call" if path.stem.endswith("fp16") else ""
        console.print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB{cost}")


def _measured(paths: Sequence[Path], longest: int | None) -> list[dict[str, Any]]:
    """Measure files in turn on this machine, one thread, with texts as long as they read."""
    from benchmarks.device import refuse_emulation  # noqa: PLC0415  (this command alone joins the two rooms)
    from benchmarks.measuring import fitting, measure  # noqa: PLC0415  (the same)

    refuse_emulation()
    terminal = Console(stderr=True)
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        task = bar.add_task(f"measuring {len(paths)} files")
        rows = measure(
            {path.name: path for path in paths}, fitting(LENGTHS, longest), rounds=ROUNDS,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    return [vars(row) for row in rows]


if __name__ == "__main__":
    command.run(app, "python -m students.export")
