"""`python -m benchmarks.collect RUN… --results FILE.csv`: one row a run, from the runs' `run.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.recorded_commands import without_root
from benchmarks.report_facts import dig, file_bytes, median_ms
from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_csv

LENGTH = 32
COLUMNS = {"teacher": "teacher", "student": "distilled", "control": "control"}
"""How a model of the record is called here."""
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def collect(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    root: Annotated[Path | None, typer.Option(help="Folder of the data, written as DATA in the commands.")] = None,
) -> None:
    """Write the main numbers of finished runs to a CSV file."""
    missing = [run for run in runs if not (run / "run.json").is_file()]
    if missing:
        raise UserError(f"{missing[0]} holds no run.json: name folders of finished runs.")
    rows = [run_row(read_json(run / "run.json")) for run in runs]
    if root:
        for row in rows:
            row["command"] = without_root(row["command"], root)
    write_csv(results, rows)


def run_row(run: Mapping[str, Any]) -> dict[str, str]:
    """Return a run's main numbers as text: scores times 100, megabytes, milliseconds at 32 tokens, and how made."""
    environment = run["environment"]
    return {
        "data": str(dig(run, "data", "name")),
        "metric": str(dig(run, "data", "metric")),
        "student": str(dig(run, "models", "student", "name")),
        "recipe": str(dig(run, "recipe", "name")),
        "teacher": _score(run, "teacher"),
        "before training": _score(run, "student_before_training"),
        "distilled": _score(run, "student"),
        "control": _score(run, "control"),
        "int8": _score(run, "student_int8_onnx"),
        "kept %": _interval(run, ("kept", "student"), "share", "{:.1f}"),
        "distilled - control": _interval(run, ("comparisons", "student_minus_control"), "difference", "{:+.1f}"),
        "int8 - distilled": _interval(run, ("comparisons", "int8_minus_student"), "difference", "{:+.1f}"),
        "each teacher": ", ".join(f"{100 * each['quality']['value']:.1f}" for each in _measured_teachers(run)),
        **{f"{column} KL to teacher": _number(run, who, "kl") for who, column in COLUMNS.items() if who != "teacher"},
        **{f"{column} calibration error": _number(run, who, "calibration_error") for who, column in COLUMNS.items()},
        "labelled rows": str(dig(run, "data", "rows", "train")),
        "other rows": str(dig(run, "data", "rows", "unlabelled") or 0),
        "copies": str(dig(run, "data", "rows", "augmented") or 0),
        "student parameters": str(dig(run, "models", "student", "parameters")),
        "encoder %": _encoder_share(run),
        "teacher fp32 MB": _megabytes(run, "teacher fp32"),
        "student fp32 MB": _megabytes(run, "student fp32"),
        "student int8 MB": _megabytes(run, "student int8"),
        "teacher fp32 ms": _milliseconds(run, "teacher fp32"),
        "student int8 ms": _milliseconds(run, "student int8"),
        "steps": str(sum(stage["steps"] for stage in run["seeds"][0]["stages"])),
        "minutes": f"{run['wall_seconds'] / 60:.1f}",
        "seeds": str(len(run["seeds"])),
        "machine": f"{environment['processor']}, {environment['cores']} cores",
        "commit": str(environment.get("commit") or ""),
        "latency threads": str(dig(run, "latency", "threads")),
        "command": str(run["command"]),
    }


def _score(run: Mapping[str, Any], who: str) -> str:
    return _interval(run, (who,), "value", "{:.1f}")


def _measured_teachers(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in run.get("teachers", []) if "quality" in each]


def _number(run: Mapping[str, Any], who: str, name: str) -> str:
    value = dig(run, "quality", who, name)
    return "" if value is None else f"{value:.3f}"


def _interval(run: Mapping[str, Any], path: tuple[str, ...], name: str, form: str) -> str:
    values = [dig(run, "quality", *path, part) for part in (name, "low", "high")]
    if None in values:
        return "" if values[0] is None else form.format(100 * values[0])
    value, low, high = (form.format(100 * value) for value in values)
    return f"{value} [{low}, {high}]"


def _encoder_share(run: Mapping[str, Any]) -> str:
    """Return the student's parameters without embeddings in per cent of its teacher's."""
    student, teacher = (dig(run, "models", who, "parameters_without_embeddings") for who in ("student", "teacher"))
    return f"{100 * student / teacher:.1f}" if student and teacher else ""


def _megabytes(run: Mapping[str, Any], name: str) -> str:
    size = file_bytes(run, name)
    return "" if size is None else f"{size / 1e6:.1f}"


def _milliseconds(run: Mapping[str, Any], name: str) -> str:
    found = median_ms(run, name, LENGTH)
    return "" if found is None else f"{found:.2f}"


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.collect")
