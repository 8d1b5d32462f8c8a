"""The pictures of a run's report."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator, NullFormatter

from benchmarks.drawing import COLOURS, figure_of, latency_axis, style, svg

_MOST_POINTS = 120
_COLOUR_OF = {"teacher int8": "teacher", "compressed": "int8"}


@dataclass(frozen=True)
class Point:
    """One model in the quality-latency picture.

    Attributes:
        title: its name in the legend.
        role: its colour: "teacher", "teacher int8", "student", "int8", "compressed" or "control".
        latency: p50 in milliseconds.
        value: the metric, as it is shown.
        low: the lower end of its interval, or None.
        high: the upper end of its interval, or None.
    """

    title: str
    role: str
    latency: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    """One loss over the steps of a stage: of the student of one seed, or of its control."""

    role: str
    steps: Sequence[float]
    values: Sequence[float]


def quality_latency(points: Sequence[Point], description: str) -> Markup:
    """Return the quality-latency picture: p50 on a logarithmic axis, the metric with its interval upwards."""
    with style(description):
        figure, axes = figure_of(height=3.3)
        markers = {"teacher": "s", "teacher int8": "s", "student": "o", "int8": "D", "compressed": "P", "control": "^"}
        for point in points:
            below = max(0.0, point.value - point.low) if point.low is not None else 0.0
            above = max(0.0, point.high - point.value) if point.high is not None else 0.0
            axes.errorbar(
                # The control runs exactly as fast as the student: side by side both can be seen.
                point.latency * (1.07 if point.role == "control" else 1.0),
                point.value,
                yerr=[[below], [above]],
                fmt=markers[point.role],
                color=COLOURS[_COLOUR_OF.get(point.role, point.role)],
                markersize=7,
                capsize=4,
                linewidth=1.4,
                label=point.title,
                markerfacecolor="none" if point.role in {"control", "teacher int8"} else None,
            )
        latency_axis(axes, [point.latency for point in points])
        axes.set_xlabel("p50 latency, ms (logarithmic; left is faster)")
        axes.margins(y=0.15)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, labelcolor=COLOURS["ink"])
        return svg(figure, description)


def loss_panel(curves: Iterable[Curve], description: str) -> Markup:
    """Return one small picture of a loss over the steps, the control dashed."""
    thinned = [thin(curve) for curve in curves]
    values = [value for curve in thinned for value in curve.values]
    with style(description):
        figure, axes = figure_of(height=2.4)
        for index, curve in enumerate(thinned):
            first = all(other.role != curve.role for other in thinned[:index])  # the others: further seeds
            axes.plot(
                curve.steps,
                curve.values,
                color=COLOURS[curve.role],
                linestyle="--" if curve.role == "control" else "-",
                linewidth=1.6 if first else 0.9,
                alpha=1.0 if first else 0.55,
                marker="o" if len(curve.steps) == 1 else None,
                markersize=4,
            )
        if values and min(values) > 0 and max(values) / min(values) > 100:
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel("step")
        return svg(figure, description)


def thin(curve: Curve) -> Curve:
    """Return the curve with at most 120 points, each the mean of a run of neighbours."""
    size = -(-len(curve.steps) // _MOST_POINTS)
    if size <= 1:
        return curve
    starts = range(0, len(curve.steps), size)
    return Curve(
        curve.role,
        [_mean(curve.steps[start : start + size]) for start in starts],
        [_mean(curve.values[start : start + size]) for start in starts],
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
