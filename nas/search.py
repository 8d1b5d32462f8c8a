"""`python -m nas.search`: the smallest student that is good enough on this device."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from distill.recipe_names import check_recipe
from pocketbert import command
from pocketbert.errors import UserError, unknown

METHODS = ("gp", "tpe", "nsga2", "random")
STRATEGIES = ("proxy", "supernet")
EMBEDDED_ROWS = 6000
"""Of the embedded task where none is asked for, so that the whole search ends within a quarter of an hour."""

console = Console(soft_wrap=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _text(help_text: str, *names: str) -> Any:  # noqa: ANN401  (typer's option)
    return typer.Option(*names, help=help_text)


@app.command()
def search(
    teacher: Annotated[list[str] | None, _text("Name, folder or Hub id, as of distill.run. Default: minilm.")] = None,
    data: Annotated[
        str | None, _text(f"As of distill.run; default: the embedded task, of which {EMBEDDED_ROWS:,} rows.")
    ] = None,
    space: Annotated[
        list[str] | None,
        _text("Restrict a dimension: layers=2..4, hidden=96..384/24, heads=4,8, family=bert,mobilebert."),
    ] = None,
    space_file: Annotated[Path | None, _text("The same as YAML: a mapping of dimensions to values.")] = None,
    objective: Annotated[
        list[str] | None, _text("quality, latency, size or memory; several times. Default: quality and latency.")
    ] = None,
    max_latency_ms: Annotated[
        float | None,
        _text(
            "Limit. Without any limit, the latency of --compared-with holds (and its size, where that is an objective)."
        ),
    ] = None,
    max_size_mb: Annotated[float | None, _text("Limit of the int8 file.")] = None,
    max_memory_mb: Annotated[float | None, _text("Limit of running it.")] = None,
    min_retention: Annotated[
        float | None,
        _text("Least share of the teacher's metric, kept after the short distillation."),
    ] = None,
    method: Annotated[str, _text("gp (expected hypervolume improvement), tpe, nsga2 or random.")] = "gp",
    baseline: Annotated[bool, _text("Then search at random for as long, to compare with.")] = False,
    trials: Annotated[int, _text("Students in all.")] = 60,
    minutes: Annotated[float, _text("Minutes of searching; the first of the two ends it.")] = 4,
    finish: Annotated[int, _text("Distil so many of the best with the whole recipe.")] = 1,
    finalists: Annotated[
        int, _text("Before that, distil so many of the best for three times the --proxy-steps; 1: none.")
    ] = 3,
    compare: Annotated[bool, _text("Finish the hand-made student, too.")] = False,
    compared_with: Annotated[str, _text("The hand-made student.")] = "tiny",
    recipe: Annotated[str, _text("Of the finishing.")] = "logits",
    settings: Annotated[list[str] | None, _text("Set a field of that recipe: training.epochs=5", "--set")] = None,
    teacher_settings: Annotated[
        list[str] | None, _text("Set a field of the teacher's fine-tuning.", "--teacher-set")
    ] = None,
    strategy: Annotated[
        str, _text("proxy: distil each student a little; supernet: score slices of one student, trained first.")
    ] = "proxy",
    supernet_steps: Annotated[int, _text("Of that student's training.")] = 400,
    proxy_steps: Annotated[int, _text("Steps of a student's short distillation.")] = 60,
    rungs: Annotated[int, _text("How often students are compared on the way; 1 stops none early.")] = 2,
    share: Annotated[float, _text("Share of the students at a rung that go on.")] = 0.5,
    length: Annotated[int, _text("Tokens a text when measuring.")] = 32,
    batch: Annotated[int, _text("Texts a call when measuring.")] = 1,
    threads: Annotated[int, _text("Threads of ONNX Runtime when measuring.")] = 1,
    device: Annotated[Path | None, _text("A latency model (python -m nas.latency) of a device not here.")] = None,
    storage: Annotated[
        str | None, _text("FILE (.db or .journal), postgresql://… or grpc://HOST:PORT; default: a file in --out.")
    ] = None,
    name: Annotated[str, _text("Of the study in the storage.")] = "search",
    out: Annotated[Path, _text("The search's folder.")] = Path("runs/search"),
    finetune: Annotated[
        bool | None,
        typer.Option(help="Train the teacher's head for the task, or not; default: where it does not fit."),
    ] = None,
    metric: Annotated[str | None, _text("accuracy, f1, matthews, pearson or spearman.")] = None,
    text_column: Annotated[list[str] | None, _text("Column with text; twice for pairs.")] = None,
    label_column: Annotated[str | None, _text("Column with the label.")] = None,
    unlabelled: Annotated[str | None, _text("File or folder with more text without labels.")] = None,
    labelled_rows: Annotated[int | None, _text("Use this many labels.")] = None,
    train_rows: Annotated[int | None, _text("Use at most this many training rows.")] = None,
    evaluation_rows: Annotated[int | None, _text("Use at most this many evaluation rows.")] = None,
    max_length: Annotated[int, _text("Tokens kept of each row.")] = 128,
    seed: Annotated[int, _text("Of everything.")] = 0,
    seeds: Annotated[int, _text("Of the finishing.")] = 1,
    bf16: Annotated[bool, _text("Train in bfloat16, where the device is fast at it.", "--bf16")] = False,
) -> None:
    """Search for students, distil the best, and write best.json and report.html."""
    teachers = tuple(teacher or ("minilm",))
    if data is None:
        data, train_rows = "apidocs", train_rows or EMBEDDED_ROWS
    check_recipe(recipe)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    _check_numbers(
        trials=trials, minutes=minutes, length=length, batch=batch, threads=threads, seeds=seeds, finalists=finalists
    )
    if finish < 0:
        raise UserError(f"--finish {finish}: it must be 0 or more.")
    if space_file is not None and not space_file.is_file():
        raise UserError(f"--space-file {space_file}: there is no such file.")
    shared = {
        "teacher": teachers, "data": data, "recipe": recipe, "set": settings, "teacher-set": teacher_settings,
        "metric": metric, "text-column": text_column, "label-column": label_column, "unlabelled": unlabelled,
        "labelled-rows": labelled_rows, "train-rows": train_rows, "evaluation-rows": evaluation_rows,
        "max-length": max_length, "seed": seed, "seeds": seeds, "latency-length": length, "threads": threads,
    }  # fmt: skip
    try:
        from nas.assembly import carry_out  # noqa: PLC0415  (seconds, which --help should not take)
        from nas.requests import request_of  # noqa: PLC0415  (the same)

        request = request_of(
            shared, bf16=bf16, finetune=finetune, compared_with=compared_with, space=space or (), space_file=space_file,
            goals={
                "objectives": tuple(dict.fromkeys(objective or ())) or None, "max_latency_ms": max_latency_ms,
                "max_size_mb": max_size_mb, "max_memory_mb": max_memory_mb, "min_retention": min_retention,
            },
            proxy={
                "steps": proxy_steps, "rungs": rungs, "share": share, "strategy": strategy,
                "supernet_steps": supernet_steps,
            },
            setting={"length": length, "batch": batch, "threads": threads},
            device=device, method=method, baseline=baseline, trials=trials, minutes=minutes, storage=storage, name=name,
            out=out, finish=finish,
            finalists=finalists, compare=compare,
        )  # fmt: skip
        carry_out(request, console)
    except KeyboardInterrupt:
        command.say("interrupted: no student looked at is lost; the same command goes on.", "yellow")
        raise typer.Exit(130) from None


def _check_numbers(**numbers: float) -> None:
    for name, value in numbers.items():
        least = 0 if name == "minutes" else 1
        if not value >= least:  # or it is not a number
            raise UserError(f"--{name} {value}: it must be at least {least}.")


if __name__ == "__main__":
    command.run(app, "python -m nas.search")
