"""`python -m benchmarks.answers RESULT.json…`: how files answer on other devices, from what they measured there."""

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.comparing import SCHEMA
from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_csv

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def answers(
    found: Annotated[
        list[Path], typer.Argument(metavar="RESULT.json…", help="Of benchmarks.latency --json, or of a bundle.")
    ],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    note: Annotated[str, typer.Option(help="How the results were made; a column of its own.")] = "",
) -> None:
    """Write a row a file and device: golden sentences answered as in PyTorch, and the largest difference."""
    rows = [{"model": path.stem} | row | {"how": note} for path in found for row in _rows(path)]
    write_csv(results, rows)
    for row in rows:
        typer.echo("; ".join(f"{name}: {value}" for name, value in row.items()))


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        document = read_json(path)
        if document["schema"] != SCHEMA:
            raise UserError(f"{path} has schema {document['schema']}, not {SCHEMA}: measure again with this version.")
        environment = document["environment"]
        return [_row(file, environment) for file in document["files"] if file["golden"] or file["failed"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not what benchmarks.latency --json writes ({error!r}).") from None


def _row(file: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
    # What could not be run or compared has no answers.
    golden, limits = file["golden"] or {}, file["limits"]
    same = golden.get("agreement")
    return {
        "file": file["name"],
        "MB": f"{file['bytes'] / 1e6:.1f}",
        "sentences": golden.get("texts", 0),
        "same answers": "" if same is None else f"{same:.3f}",
        "largest difference": f"{golden['largest_difference']:.2g}" if golden else "",
        "of the largest answer": f"{golden['relative_difference']:.2g}" if golden else "",
        "limit": f"{limits['agreement']:g} the same" if same is not None else f"{limits['difference']:g}",
        "passed": "no" if file["failed"] else "yes",
        "system": environment["system"],
        "onnxruntime": environment["onnxruntime"],
    }


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.answers")
