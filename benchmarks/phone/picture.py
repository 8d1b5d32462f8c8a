"""Latency by length as a picture: a line a file, with its spread."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.drawing import COLOURS, figure_of, latency_axis, style, svg

ROLES = ("teacher", "control", "student", "int8")
"""Colours, in the order of the files."""

MARKERS = ("s", "^", "o", "D")


def latency_by_length(series: Mapping[str, Sequence[Mapping[str, Any]]], description: str) -> Markup:
    """Return the picture.

    Args:
        series: rows (`length`, `p50_ms`, `p90_ms`) by file.
        description: for who can't see it.
    """
    lengths = sorted({row["length"] for rows in series.values() for row in rows})
    with style(description):
        figure, axes = figure_of(height=3.3)
        for number, (name, rows) in enumerate(series.items()):
            ordered = sorted(rows, key=lambda row: row["length"])
            middle = [row["p50_ms"] for row in ordered]
            axes.errorbar(
                [row["length"] for row in ordered],
                middle,
                yerr=[[0.0] * len(ordered), [row["p90_ms"] - row["p50_ms"] for row in ordered]],
                color=COLOURS[ROLES[number % len(ROLES)]],
                marker=MARKERS[number % len(MARKERS)],
                linestyle="-" if number < len(ROLES) else "--",
                markersize=5,
                capsize=3,
                linewidth=1.5,
                label=name,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(lengths))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        every = [row for rows in series.values() for row in rows]
        latency_axis(axes, [row[key] for row in every for key in ("p50_ms", "p90_ms")], upwards=True)
        axes.set_xlabel("tokens a text")
        axes.set_ylabel("ms a call, p50 up to p90")
        figure.legend(loc="outside lower center", ncols=2, frameon=False, labelcolor=COLOURS["ink"])
        return svg(figure, description)
