"""`python -m benchmarks.search`: a search beside a random one of the same minutes, over seeds.

Each seed is a `nas.search` with `--baseline`. One row a seed goes to a CSV file: what both had looked at, and the
hypervolume that both had reached after the same minutes of work.
"""

import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_csv
from pocketbert.machine import commit, processor

RANDOM = "random"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def search(
    results: Annotated[Path, typer.Argument(help="CSV file to write.")],
    out: Annotated[Path, typer.Option(help="Folder of the searches.")] = Path("runs/searches"),
    method: Annotated[str, typer.Option(help="gp, tpe or nsga2.")] = "gp",
    minutes: Annotated[float, typer.Option(help="Of each of the two searches.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="How often.")] = 3,
    options: Annotated[str, typer.Option(help="More options of nas.search, as one text.")] = "",
) -> None:
    """Search for every seed and write a row for each."""
    more = command.split("--options", options)
    rows = [_row(out, method, minutes, seed, more) for seed in range(seeds)]
    write_csv(results, rows)
    ratio = statistics.median(row["ratio"] for row in rows)
    typer.echo(f"median ratio of {method}'s hypervolume to random's over {seeds} seed(s): {ratio:.3f}")


def _row(out: Path, method: str, minutes: float, seed: int, more: Sequence[str]) -> dict[str, Any]:
    words = ["-m", "nas.search", "--method", method, "--baseline", "--minutes", f"{minutes:g}", "--trials", "100000"]
    words += ["--finish", "0", "--seed", str(seed), "--out", str(out / f"{method}-{seed}"), *more]
    if subprocess.run([sys.executable, *words], check=False).returncode:  # noqa: S603  (a list, no shell)
        raise UserError(f"python {shlex.join(words)} failed, as said above.")
    record = read_json(out / f"{method}-{seed}" / "search.json")
    curves: dict[str, list[tuple[float, float, int]]] = record["hypervolume"]
    reached = {name: reached_after(minutes, curve) for name, curve in curves.items()}
    if not reached[RANDOM]:
        raise UserError(f"seed {seed}: the random search found nothing above a constant answer: give more --minutes.")
    return {
        "data": record["data"],
        "objectives": " ".join(record["goals"]["objectives"]),
        "least retention": record["goals"]["min_retention"] or "",
        "method": method,
        "seed": seed,
        "minutes": minutes,
        "students": record["students_looked_at"],
        "hypervolume": f"{reached[method]:.6g}",
        "random's": f"{reached[RANDOM]:.6g}",
        "ratio": round(reached[method] / reached[RANDOM], 3),
        "processor": processor(),
        "commit": commit(),
        "command": shlex.join(["python", *words]),
    }


def reached_after(minutes: float, curve: Sequence[tuple[float, float, int]]) -> float:
    """Return the hypervolume that a search has reached after so many minutes of work; 0: no student was done by then.

    Args:
        minutes: asked for; a student that was begun in time and ended late does not count.
        curve: minute, hypervolume and students so far, in order.
    """
    return max((value for minute, value, _ in curve if minute <= minutes), default=0.0)


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.search")
