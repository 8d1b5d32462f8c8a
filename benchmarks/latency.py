"""`python -m benchmarks.latency FILE…`: ONNX files against each other, measured in turn."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.comparing import ROUNDS, compare
from pocketbert import command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    files: Annotated[list[Path], typer.Argument(help="ONNX files; speed is relative to the first.")],
    *,
    length: Annotated[list[int] | None, typer.Option(help="Tokens a text; may be repeated.")] = None,
    batch: Annotated[int, typer.Option(help="Texts a call.")] = 1,
    threads: Annotated[list[int] | None, typer.Option(help="Threads within an operator; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(help="How often each file is visited.")] = ROUNDS,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Measure how files open, too.")] = True,
    check: Annotated[bool, typer.Option("--check", help="Check the golden sentences alone, and time nothing.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write rows, samples and environment to this file.")] = None,
) -> None:
    """Measure ONNX files against each other, interleaved, on this machine's CPU.

    A file beside a golden.json (students.export writes it) is checked first, and not timed if it fails.
    """
    compare(
        files,
        lengths=length or (),
        batch=batch,
        threads=threads or (),
        rounds=rounds,
        opened=opened,
        check=check,
        json=json,
    )


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.latency")
