"""What all phones found as one CSV file, a line a file, length and number of threads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.phone.results import name_of
from benchmarks.phone.tables import compared, rows_of
from pocketbert.files import write_csv

FILE_NAME = "latency.csv"


def write_lines(folder: Path, found: Sequence[Mapping[str, Any]], laptop: Mapping[str, Any] | None) -> Path | None:
    """Write the file; return its path, None where nothing was timed yet.

    Args:
        folder: of the results.
        found: the results, the oldest first.
        laptop: the laptop's own rows; None where it did not measure.
    """
    made = lines(found, laptop)
    if not made:
        return None
    path = folder / FILE_NAME
    write_csv(path, made)
    return path


def lines(found: Sequence[Mapping[str, Any]], laptop: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the lines of the file; see `write_lines`."""
    here = {} if laptop is None else {(row.name, row.length): row for row in rows_of(laptop)}
    return [line for result in found for line in _lines(result, here)]


def _lines(result: Mapping[str, Any], here: Mapping[tuple[str, int], Any]) -> list[dict[str, Any]]:
    rows, context = rows_of(result), result["context"]
    files = {each["name"]: each for each in result["files"]}
    first = {(row.threads, row.length): row for row in reversed(rows)}
    made = []
    for row in rows:
        ratio, beside = compared(first[row.threads, row.length], row), here.get((row.name, row.length))
        golden = files[row.name]["golden"] or {}
        made.append(
            {
                "device": name_of(result["device"]),
                "runtime": result["environment"]["runtime"],
                "file": row.name,
                "MB": f"{files[row.name]['bytes'] / 1e6:.1f}",
                "same answers": "" if golden.get("agreement") is None else f"{golden['agreement']:.3f}",
                "threads": row.threads,
                "length": row.length,
                "batch": row.batch,
                "p50 ms": f"{row.p50_ms:.3g}",
                "p90 ms": f"{row.p90_ms:.3g}",
                "p99 ms": f"{row.p99_ms:.3g}",
                "times as fast as the first": f"{ratio.ratio:.2f}",
                "low": f"{ratio.low:.2f}",
                "high": f"{ratio.high:.2f}",
                "laptop, 1 thread, p50 ms": "" if beside is None else f"{beside.p50_ms:.3g}",
                "isolated": context["isolated"],
                "complete": result["complete"],
                "received": result["received"],
            }
        )
    return made
