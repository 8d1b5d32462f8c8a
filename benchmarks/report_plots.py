"""The report's pictures as inline SVG, drawn by matplotlib and coloured by the page's own style sheet."""

import io
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

# Stand-ins that matplotlib writes into the SVG and that become CSS variables, so that one picture serves
# the light and the dark page.
_COLOURS = {
    "ink": "#010203",
    "soft": "#010204",
    "grid": "#010205",
    "teacher": "#010206",
    "student": "#010207",
    "int8": "#010208",
    "control": "#010209",
}
_WIDTH_INCHES = 4.2  # shown 360 px wide on a phone: 10-point text is then 12 px
_MOST_POINTS = 120


@dataclass(frozen=True)
class Point:
    """One model in the quality-latency picture.

    Attributes:
        title: its name in the legend.
        role: its colour: "teacher", "teacher int8", "student", "int8" or "control".
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
    with _style(description):
        figure, axes = _figure(height=3.3)
        axes.set_xscale("log")
        markers = {"teacher": "s", "teacher int8": "s", "student": "o", "int8": "D", "control": "^"}
        for point in points:
            below = max(0.0, point.value - point.low) if point.low is not None else 0.0
            above = max(0.0, point.high - point.value) if point.high is not None else 0.0
            axes.errorbar(
                # The control runs exactly as fast as the student: side by side both can be seen.
                point.latency * (1.07 if point.role == "control" else 1.0),
                point.value,
                yerr=[[below], [above]],
                fmt=markers[point.role],
                color=_COLOURS["teacher" if point.role == "teacher int8" else point.role],
                markersize=7,
                capsize=4,
                linewidth=1.4,
                label=point.title,
                markerfacecolor="none" if point.role in {"control", "teacher int8"} else None,
            )
        _latency_axis(axes, [point.latency for point in points])
        axes.set_xlabel("p50 latency, ms (logarithmic; left is faster)")
        axes.margins(y=0.15)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, labelcolor=_COLOURS["ink"])
        return _svg(figure, description)


def loss_panel(curves: Iterable[Curve], description: str) -> Markup:
    """Return one small picture of a loss over the steps, the control dashed."""
    thinned = [thin(curve) for curve in curves]
    values = [value for curve in thinned for value in curve.values]
    with _style(description):
        figure, axes = _figure(height=2.4)
        for index, curve in enumerate(thinned):
            first = all(other.role != curve.role for other in thinned[:index])  # the others: further seeds
            axes.plot(
                curve.steps,
                curve.values,
                color=_COLOURS[curve.role],
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
        return _svg(figure, description)


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


def _latency_axis(axes: Axes, latencies: Sequence[float]) -> None:
    """Give the axis plain numbers, three of them at least, and room at both ends."""
    low, high = min(latencies) / 1.35, max(latencies) * 1.35
    if high / low < 4:  # one tick alone would show no scale
        middle = (low * high) ** 0.5
        low, high = middle / 2, middle * 2
    axes.set_xlim(low, high)
    ticks = [base * 10.0**power for power in range(-4, 7) for base in (1, 2, 3, 5, 7)]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _style(salt: str) -> AbstractContextManager[None]:
    settings: dict[str, object] = {
        "svg.fonttype": "none",  # text stays text: it takes the page's font, and can be searched
        "svg.hashsalt": salt,  # the same run gives the same page, and no two pictures the same ids
        "font.size": 10,
        "axes.edgecolor": _COLOURS["soft"],
        "axes.labelcolor": _COLOURS["soft"],
        "xtick.color": _COLOURS["soft"],
        "ytick.color": _COLOURS["soft"],
        "text.color": _COLOURS["ink"],
        "grid.color": _COLOURS["grid"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.formatter.use_mathtext": False,
    }
    return mpl.rc_context(settings)  # type: ignore[arg-type]  # matplotlib types its settings by name


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    axes.grid(visible=True, axis="y", linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure, description: str) -> Markup:
    """Return the figure as an SVG element that fits its container, without anything that names an address."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for waste in (r"<metadata>.*?</metadata>", r"<!--.*?-->", r"<style.*?</style>"):
        text = re.sub(waste, "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # "figure_1" in every picture: an id must be unique in a page
    text = re.sub(r"font-family: [^;\"]*; ?", "", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    view_box = re.search(r'viewBox="([^"]+)"', text)
    if view_box is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    opening = f'<svg viewBox="{view_box[1]}" role="img" aria-label="{escape(description)}">'
    text = re.sub(r"<svg.*?>", lambda _match: opening, text, count=1, flags=re.DOTALL)
    for name, colour in _COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return Markup(text)  # noqa: S704  (no text of the run's is in it but the escaped description)
