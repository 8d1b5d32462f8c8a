"""What a chain of compression bought: a table and a picture of size, latency and quality after each step."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes

from benchmarks import report_format as form
from benchmarks.drawing import COLOURS, figure_of, style, svg
from benchmarks.report_facts import Record, dig, median_ms, metric_name, number, ratio, records, stated_length
from benchmarks.report_tables import Cell, Table

REFUSED = "refused"
_NOT_A_STEP = "0 before"


@dataclass(frozen=True)
class After:
    """The student after a step; None where something was not measured.

    Attributes:
        title: of the step.
        megabytes: of its file.
        latency: p50 in milliseconds.
        value: the metric, as it is shown, with its interval.
    """

    title: str
    megabytes: float | None
    latency: float | None
    value: float | None
    low: float | None
    high: float | None


def steps_of(run: Record) -> Sequence[Record]:
    """Return what is told of the start and of each step, the refused one last."""
    refused = dig(run, "compression", REFUSED)
    return [*records(run, "compression", "steps"), *([refused] if refused else [])]


def names_of(run: Record) -> set[str]:
    """Return the names under which latency rows are of a chain's files."""
    return {str(step.get("name")) for step in steps_of(run)}


def compression_table(run: Record) -> Table:
    """Return size, latency and quality after each step, each beside the model before the first one."""
    steps, metric = steps_of(run), metric_name(run)
    if not steps:
        return Table([], [])
    length = _length(run, steps)
    size, speed = number(steps[0], "bytes"), median_ms(run, str(steps[0].get("name")), length)
    rows, refused = [], dig(run, "compression", REFUSED)
    for step in steps:
        change = dig(step, "minus_start")
        time = median_ms(run, str(step.get("name")), length)
        rows.append(
            [
                Cell(
                    _title(step),
                    REFUSED if step is refused else form.plain(step.get("precision")),
                ),
                Cell(form.megabytes(number(step, "bytes")), _times(ratio(size, number(step, "bytes")), "smaller")),
                Cell(form.milliseconds(time), _times(ratio(speed, time), "faster")),
                Cell(form.score(metric, number(step, "quality", "value")), _change(metric, change, step is steps[0])),
                Cell(form.percent(number(step, "quality", "agreement")), _kl(number(step, "quality", "kl"))),
                Cell(form.percent(number(step, "unlabelled", "agreement")), _kl(number(step, "unlabelled", "kl"))),
            ]
        )
    timed = f"p50 at {length} tokens" if length else "p50"
    heads = ["after", "file", timed, metric, "agreement", "on unlabelled text"]
    kept = [i for i in range(len(heads)) if i < 2 or any(row[i].text not in ("", form.MISSING) for row in rows)]
    return Table([heads[i] for i in kept], [[row[i] for i in kept] for row in rows])


def compression_notes(run: Record) -> list[str]:
    """Return what each step did, and why one was refused."""
    notes = [f"{_title(step)}: {step['note']}" for step in records(run, "compression", "steps") if step.get("note")]
    line = dig(run, "compression", REFUSED, "line")
    left = ", ".join(map(str, dig(run, "compression", REFUSED, "left") or []))
    undone = f" ({left} not done)" if left else ""
    return [*notes, *([f"refused, and the chain ended before it{undone}: {line}"] if line else [])]


def compression_plot(run: Record) -> Markup | None:
    """Return the picture of all steps that were kept; None where there is none."""
    steps, metric = records(run, "compression", "steps"), metric_name(run)
    if len(steps) < 2:
        return None
    length, scale = _length(run, steps), 100.0 if metric in form.PERCENT_METRICS else 1.0
    after = [_after(run, step, length, scale) for step in steps]
    return waterfall(after, metric, f"size, latency and {metric} after each step of the compression")


def waterfall(after: Sequence[After], metric: str, description: str) -> Markup:
    """Return three rows of bars, a bar a step: the file's size, its latency, and the metric with its interval."""
    with style(description):
        figure, _ = figure_of(height=4.6)
        figure.clear()
        sizes, times, values = figure.subplots(3, 1, sharex=True)
        places = range(len(after))
        _bars(sizes, [each.megabytes for each in after], "MB")
        _bars(times, [each.latency for each in after], "ms")
        for place, each in zip(places, after, strict=True):
            if each.value is None:
                continue
            below = 0.0 if each.low is None else max(0.0, each.value - each.low)
            above = 0.0 if each.high is None else max(0.0, each.high - each.value)
            values.errorbar(place, each.value, [[below], [above]], fmt="o", color=COLOURS["student"], capsize=4)
        values.set_ylabel(metric.replace("_", " "))
        values.margins(x=0.1, y=0.25)
        values.set_xticks(list(places), [each.title for each in after])
        return svg(figure, description)


def _bars(axes: Axes, heights: Sequence[float | None], unit: str) -> None:
    known = [(place, height) for place, height in enumerate(heights) if height is not None]
    if not known:
        return
    bars = axes.bar(
        [place for place, _ in known], [height for _, height in known], width=0.55, color=COLOURS["student"]
    )
    axes.bar_label(bars, [f"{height:.3g}" for _, height in known], padding=2, color=COLOURS["ink"], fontsize=9)
    axes.set_ylabel(unit)
    axes.margins(y=0.25)


def _after(run: Record, step: Record, length: int | None, scale: float) -> After:
    size = number(step, "bytes")
    value, low, high = (
        None if (found := number(step, "quality", name)) is None else found * scale for name in ("value", "low", "high")
    )
    time = median_ms(run, str(step.get("name")), length)
    return After(_title(step).replace(":", "\n"), None if size is None else size / 1e6, time, value, low, high)


def _length(run: Record, steps: Sequence[Record]) -> int | None:
    """Return the longest length at which the model before the first step was measured, or else the stated one."""
    name = str(steps[0].get("name"))
    found = [row.get("length") for row in records(run, "latency", "rows") if row.get("model") == name]
    return max((int(length) for length in found if length), default=stated_length(run, name))


def _title(step: Record) -> str:
    name = str(step.get("name"))
    return "before" if name == _NOT_A_STEP else name.partition(" ")[2]


def _change(metric: str, change: object, is_start: bool) -> str:
    """Return what was gained or lost since the start, with its interval."""
    found = {name: number(change, name) for name in ("difference", "low", "high")}
    if is_start or None in found.values():
        return ""
    difference, low, high = (form.difference(metric, value) for value in found.values())
    return f"{difference} [{low}, {high}]"


def _times(times: float | None, word: str) -> str:
    return "" if times is None or abs(times - 1) < 0.005 else f"{form.times(times)} {word}"


def _kl(value: float | None) -> str:
    return "" if value is None else f"KL {form.decimal(value)}"
