"""`python -m distill.run`: from a teacher's name to a trained student, its ONNX files and a report."""

import errno
import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from distill.compression.plan import THE_TEACHER, parse_chain, with_student
from distill.recipe_names import RECIPE_NAMES, check_recipe
from pocketbert import command, processes

WIDTH = None if sys.stdout.isatty() else 120  # in a file, tables need not be as narrow as rich takes them to be
console = Console(soft_wrap=True, markup=False, highlight=False, quiet=not processes.is_first(), width=WIDTH)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _text(help_text: str, *names: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*names, help=help_text)
    return option


@app.command()
def distil(
    teacher: Annotated[
        list[str] | None, _text("Name, folder or Hub id; several times: their answers are averaged. Default: minilm.")
    ] = None,
    teacher_weight: Annotated[list[float] | None, _text("A weight for each --teacher, in the same order.")] = None,
    student: Annotated[str, _text("Name, folder, or layers=3,hidden=384,…")] = "tiny",
    data: Annotated[
        str,
        _text("Folder, file, Hub dataset id, 'apidocs' (embedded), 'corpus' or 'corpus:PLACE,…': text to pretrain on."),
    ] = "apidocs",
    recipe: Annotated[str, _text(f"{', '.join(RECIPE_NAMES)}, or a YAML file.")] = "logits",
    out: Annotated[Path | None, _text("The run's folder; default runs/TEACHER-STUDENT-DATA-RECIPE.")] = None,
    settings: Annotated[list[str] | None, _text("Set a recipe's field: training.epochs=5", "--set")] = None,
    teacher_settings: Annotated[
        list[str] | None, _text("Set a field of the teacher's fine-tuning: epochs=5", "--teacher-set")
    ] = None,
    print_recipe: Annotated[bool, _text("Print the recipe as YAML and stop.", "--print-recipe")] = False,
    metric: Annotated[str | None, _text("accuracy, f1, matthews, pearson or spearman.")] = None,
    text_column: Annotated[list[str] | None, _text("Column with text; twice for pairs.")] = None,
    label_column: Annotated[str | None, _text("Column with the label.")] = None,
    regression: Annotated[bool | None, _text("Force regression or classification.")] = None,
    finetune: Annotated[
        bool | None, _text("Train the teacher's head even if it fits, or never; default: if it does not fit.")
    ] = None,
    unlabelled: Annotated[str | None, _text("File or folder with more text without labels.")] = None,
    augment: Annotated[
        int | None, _text("Make this many copies of each labelled text, with words replaced; the teacher labels them.")
    ] = None,
    augment_settings: Annotated[
        list[str] | None, _text("Set how: probability, candidates, model, vectors (README).", "--augment-set")
    ] = None,
    labelled_rows: Annotated[int | None, _text("Use this many labels; the other rows count as unlabelled.")] = None,
    train_rows: Annotated[int | None, _text("Use at most this many training rows.")] = None,
    evaluation_rows: Annotated[int | None, _text("Use at most this many evaluation rows.")] = None,
    packed: Annotated[bool, _text("Of a corpus: rows of several texts, just filled; else one text a row.")] = True,
    max_length: Annotated[int, _text("Tokens kept of each row.")] = 128,
    initialisation: Annotated[str, _text("auto, copy, cut, pca or random.")] = "auto",
    control: Annotated[bool, _text("Also train the same student without the teacher.")] = False,
    seeds: Annotated[int, _text("Repeat with this many seeds.")] = 1,
    seed: Annotated[int, _text("The first seed.")] = 0,
    precision: Annotated[str, _text("auto (what a second of measuring finds faster), fp32 or bf16.")] = "auto",
    bf16: Annotated[bool, typer.Option("--bf16", help="--precision bf16.", hidden=True)] = False,
    cache_gb: Annotated[
        float,
        _text("Keep the teacher's hidden states and attention on disk, up to so many GB; 0: ask it anew."),
    ] = 10.0,
    cache_precision: Annotated[str, _text("How they are kept: fp16, bf16, int8 or fp32.")] = "fp16",
    compress: Annotated[
        str | None, _text("Make the trained student smaller, step by step: trim,prune:0.5,qat (README).")
    ] = None,
    max_loss: Annotated[
        float, _text("End the chain of --compress before a step that surely loses more than this on the metric.")
    ] = 0.03,
    max_drop: Annotated[
        float, _text("Refuse an ONNX file that loses more than this on the metric, and surely loses something.")
    ] = 0.02,
    latency_length: Annotated[list[int] | None, _text("Lengths to measure; default 16, 32, 64 and 128.")] = None,
    threads: Annotated[int, _text("Threads of ONNX Runtime when measuring.")] = 1,
    rounds: Annotated[int, _text("Interleaved rounds when measuring.")] = 12,
) -> None:
    """Distil a teacher into a student, export it to ONNX, measure it, and write report.html."""
    # Imported here because they take seconds, which --help should not, nor what is not there.
    teachers = tuple(teacher or ("minilm",))
    check_recipe(recipe)
    student, compress = with_student(student, compress)
    if compress is not None:
        parse_chain(compress)
    try:
        if not print_recipe:
            from distill.data.origins import check_origin  # noqa: PLC0415  (datasets is slow to import)
            from students.spec import parse_student_or_folder  # noqa: PLC0415  (with the two beside it)
            from teachers.sources import locate  # noqa: PLC0415  (huggingface_hub is)

            if student != THE_TEACHER:
                parse_student_or_folder(student)
            check_origin(data)
            for name in teachers:  # last, since a teacher may have to be downloaded
                locate(name)
        from distill.assembly import Request, carry_out  # noqa: PLC0415  (torch and transformers are)
        from distill.recipes.loading import load_recipe, to_yaml  # noqa: PLC0415  (torch, through the objectives)
    except KeyboardInterrupt:
        _stopped("interrupted")
        raise typer.Exit(130) from None

    if print_recipe:
        typer.echo(to_yaml(load_recipe(recipe, settings or ())), nl=False)
        return
    config = {
        "teachers": teachers, "teacher_weights": teacher_weight, "student": student, "data": data, "metric": metric,
        "text_columns": text_column, "label_column": label_column, "regression": regression,
        "unlabelled": unlabelled, "labelled_rows": labelled_rows, "train_rows": train_rows,
        "evaluation_rows": evaluation_rows, "max_length": max_length, "packed": packed, "finetune": finetune,
        "initialisation": initialisation,
        "control": control, "seeds": seeds, "seed": seed,
        "cache_gb": cache_gb, "cache_precision": cache_precision, "compress": compress, "max_loss": max_loss,
    }  # fmt: skip
    request = Request(
        config=config, recipe=recipe, settings=tuple(settings or ()), teacher_settings=tuple(teacher_settings or ()),
        augment=augment, augment_settings=tuple(augment_settings or ()), out=out,
        precision="bf16" if bf16 else precision, max_drop=max_drop,
        lengths=tuple(latency_length or (16, 32, 64, 128)), threads=threads, rounds=rounds,
    )  # fmt: skip
    try:
        carry_out(request, console)
    except KeyboardInterrupt:  # here, since typer would turn it into an exit without a word
        _stopped("interrupted")
        raise typer.Exit(130) from None


def main() -> None:
    """Run the command; a user's mistake is one line, an interruption or a full disk says how to go on."""
    _quiet()
    try:
        command.run(app, "python -m distill.run")
    except Exception as error:  # libraries wrap a full disk in classes of their own
        if not _disk_full(error):
            raise
        _stopped("the disk is full")
        sys.exit(1)


def _disk_full(error: Exception) -> bool:
    """Tell whether an error means a full disk; torch and safetensors have words of their own for it."""
    words = ("No space left on device", "iostream error", "unexpected pos")
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or any(word in str(error) for word in words)


def _stopped(why: str) -> None:
    command.say(f"{why}: nothing finished is lost; the same command goes on from the last checkpoint.", "yellow")


def _quiet() -> None:
    """Let our own messages through and keep libraries to errors."""
    logging.getLogger().addHandler(RichHandler(console=console, show_time=False, show_path=False))
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)


if __name__ == "__main__":
    main()
