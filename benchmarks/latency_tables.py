"""What `benchmarks.latency` prints."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from benchmarks.measuring import LatencyRow
from benchmarks.opening import Opening
from benchmarks.proof import Proven
from benchmarks.ratios import speed

MEGABYTE = 1e6
CLASSES = ("embedding", "encoder", "head")


def latency_table(rows: Sequence[LatencyRow]) -> Table:
    """Return the rows, with speeds relative to the first file at that length and number of threads."""
    first = {(row.length, row.threads): row for row in reversed(rows) if row.name == rows[0].name}
    table = Table(title=f"milliseconds a call, batch {rows[0].batch}")
    table.add_column("file")
    for column in ("threads", "length", "p50", "p90", "p95", "p99", "samples", "speed", "95 % interval"):
        table.add_column(column, justify="right")
    for row in rows:
        other = first[row.length, row.threads]
        ratio = speed(other, row)
        times = [f"{value:.2f}" for value in (row.p50_ms, row.p90_ms, row.p95_ms, row.p99_ms)]
        interval = "" if row is other else f"{ratio.low:.2f} to {ratio.high:.2f}"
        table.add_row(
            row.name, str(row.threads), str(row.length), *times, str(row.samples), f"{ratio.ratio:.2f}x", interval
        )
    return table


def files_table(found: Mapping[str, Proven], starts: Mapping[str, Opening]) -> Table:
    """Return what is to be said of each file beside its latency; columns that no file fills are left out."""
    columns = ["file", "MB", *(f"{part}, MB" for part in CLASSES), "open, ms", "open again, ms", "first call, ms"]
    columns += ["memory, MB", "tokenizer, ms", "golden sentences"]
    rows = [_cells(name, proof, starts.get(name)) for name, proof in found.items()]
    kept = [number for number in range(len(columns)) if any(row[number] for row in rows)]
    table = Table(title="files")
    for number in kept:
        table.add_column(columns[number], justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(row[number] for number in kept))
    return table


def _cells(name: str, proof: Proven, start: Opening | None) -> list[str]:
    parts = proof.bytes_by_class or {}
    opened = [""] * 4
    if start is not None:
        peak = "" if start.peak_bytes is None else f"{start.peak_bytes / MEGABYTE:.0f}"
        opened = [f"{start.first_ms:.1f}", f"{start.again_ms:.1f}", f"{start.first_call_ms:.2f}", peak]
    return [
        name,
        f"{proof.bytes / MEGABYTE:.1f}",
        *(f"{parts[part] / MEGABYTE:.2f}" if part in parts else "" for part in CLASSES),
        *opened,
        "" if proof.tokenizer_ms is None else f"{proof.tokenizer_ms:.2f}",
        _golden(proof),
    ]


def _golden(proof: Proven) -> str:
    if proof.problem is not None:
        return f"FAILED: {proof.problem}"
    if proof.golden is None:
        return ""
    golden = proof.golden
    same = "" if golden.agreement is None else f"{golden.agreement:.3f} the same, "
    failed = "FAILED: " if proof.failed else ""
    return f"{failed}{same}off by {golden.relative_difference:.1g} at most"
