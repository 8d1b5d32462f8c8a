"""Rows of the comparison, for a CSV file and for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.measuring import LatencyRow
from benchmarks.peers.candidates import OURS, Candidate
from benchmarks.peers.errors import Error
from benchmarks.peers.folders import PRECISIONS, VERSIONS
from benchmarks.ratios import Speed, speed
from pocketbert.files import read_json

Row = dict[str, str | int]
MEGABYTE = 1e6


def csv_rows(
    folder: Path,
    candidates: Sequence[Candidate],
    measured: Sequence[LatencyRow],
    errors: Mapping[str, Error],
    versions: Mapping[str, Mapping[str, str]],
) -> list[Row]:
    """Return a row for each candidate and length.

    Args:
        folder: the model's.
        candidates: that took part; ours are among them.
        measured: their rows, by `Candidate.name`.
        errors: by the same.
        versions: of the runtimes, by the same.
    """
    times = {(row.name, row.length): row for row in measured}
    rows: list[Row] = []
    for each in candidates:
        path, error = each.path(folder), errors[each.name]
        made = {**versions[each.name], **(read_json(path.parent / VERSIONS) if each.has_versions(folder) else {})}
        for length in dict.fromkeys(row.length for row in measured):
            row = times[each.name, length]
            ratios = {one: speed(row, times[f"{OURS}, {one}", length]) for one in PRECISIONS}
            rows.append(
                {
                    "model": folder.name,
                    "version": each.peer,
                    "precision": each.precision,
                    "length": length,
                    "p50 ms": f"{row.p50_ms:.4g}",
                    **_columns(ratios),
                    "agreement": f"{error.agreement:.4f}",
                    "relative difference": f"{error.relative_difference:.2g}",
                    "largest difference": f"{error.largest_difference:.2g}",
                    "MB": f"{megabytes(path):.1f}",
                    "samples": row.samples,
                    "versions": ", ".join(f"{name} {number}" for name, number in made.items()),
                }
            )
    return rows


def _columns(ratios: Mapping[str, Speed]) -> dict[str, str]:
    columns = {}
    for precision, ratio in ratios.items():
        columns[f"our {precision} is x times as fast"] = f"{ratio.ratio:.3f}"
        columns[f"{precision} low"], columns[f"{precision} high"] = f"{ratio.low:.3f}", f"{ratio.high:.3f}"
    return columns


def summary(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return a row for each model and version, with what belongs to its lengths side by side."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["model"]), str(row["version"]), str(row["precision"])), []).append(row)
    made = []
    for (model, version, precision), lines in groups.items():
        lengths = "/".join(str(line["length"]) for line in lines)
        first, ratio = lines[0], f"our {precision} is x times as fast"
        made.append(
            {
                "model": model,
                "version": f"{version}, {precision}",
                f"p50 ms at {lengths} tokens": " ".join(f"{float(line['p50 ms']):.3g}" for line in lines),
                "ours of that precision is x times as fast": " ".join(f"{float(line[ratio]):.2f}" for line in lines),
                "at least": " ".join(f"{float(line[f'{precision} low']):.2f}" for line in lines),
                **{
                    name: str(first[name]) for name in ("agreement", "relative difference", "MB", "processor", "commit")
                },
            }
        )
    return made


def overview(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return a row for each model and peer: how many times as fast ours is, and how far off both are."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["model"]), str(row["version"])), []).append(row)
    made = []
    for (model, version), lines in groups.items():
        if not version.startswith(OURS):
            times = {one: [line for line in lines if line["precision"] == one] for one in PRECISIONS}
            ours = [row for row in groups[model, OURS] if row["precision"] == "int8"]
            made.append(
                {
                    "model": model,
                    "peer": version,
                    **{
                        f"our {one} is x times as fast at {_lengths(lines)}": " ".join(
                            f"{float(line[f'our {one} is x times as fast']):.2f}" for line in times[one]
                        )
                        for one in PRECISIONS
                    },
                    "same answers, int8": _both(ours, times["int8"], "agreement"),
                    "off by, int8": _both(ours, times["int8"], "relative difference"),
                    "processor": str(lines[0]["processor"]),
                    "commit": str(lines[0]["commit"]),
                }
            )
    return made


def _lengths(lines: Sequence[Row]) -> str:
    return "/".join(str(length) for length in dict.fromkeys(line["length"] for line in lines))


def _both(ours: Sequence[Row], theirs: Sequence[Row], name: str) -> str:
    return f"{theirs[0][name]} (ours {ours[0][name]})" if theirs else ""


def megabytes(path: Path) -> float:
    """Return the size of a model's weights, which OpenVINO keeps beside what is opened and PyTorch in a folder."""
    if path.is_dir():
        path = path / "model.safetensors"
    files = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    return sum(file.stat().st_size for file in files) / MEGABYTE


def table(rows: Sequence[Row]) -> Table:
    """Return the rows of one model: medians, and in brackets how many times as fast ours of that precision is."""
    lengths = list(dict.fromkeys(row["length"] for row in rows))
    result = Table(title=f"{rows[0]['model']}: milliseconds a call (ours of that precision is x times as fast)")
    result.add_column("version")
    for column in (*(f"{length} tokens" for length in lengths), "agreement", "relative difference", "MB"):
        result.add_column(column, justify="right")
    for start in range(0, len(rows), len(lengths)):
        lines = rows[start : start + len(lengths)]
        first = lines[0]
        precision = first["precision"]
        cells = [f"{line['p50 ms']} ({line[f'our {precision} is x times as fast']})" for line in lines]
        facts = [str(first[name]) for name in ("agreement", "relative difference", "MB")]
        result.add_row(f"{first['version']}, {precision}", *cells, *facts)
    return result
