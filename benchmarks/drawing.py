"""Pictures as inline SVG, drawn by matplotlib and coloured by the page's own style sheet."""

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# Stand-ins that matplotlib writes into the SVG and that become CSS variables, so that one picture serves
# the light and the dark page.
COLOURS = {
    "ink": "#010203",
    "soft": "#010204",
    "grid": "#010205",
    "teacher": "#010206",
    "student": "#010207",
    "int8": "#010208",
    "control": "#010209",
}
_WIDTH_INCHES = 4.2  # shown 360 px wide on a phone: 10-point text is then 12 px


def latency_axis(axes: Axes, latencies: Sequence[float], *, upwards: bool = False) -> None:
    """Give a logarithmic axis plain numbers, three of them at least, and room at both ends.

    Args:
        axes: of the picture.
        latencies: in milliseconds.
        upwards: they are shown by the vertical axis.
    """
    low, high = min(latencies) / 1.35, max(latencies) * 1.35
    if high / low < 4:  # one tick alone would show no scale
        middle = (low * high) ** 0.5
        low, high = middle / 2, middle * 2
    axis = axes.yaxis if upwards else axes.xaxis
    axes.set(yscale="log", ylim=(low, high)) if upwards else axes.set(xscale="log", xlim=(low, high))
    bases = (1, 2, 3, 5, 7) if high / low < 40 else (1, 3) if high / low < 1e3 else (1,)
    ticks = [base * 10.0**power for power in range(-4, 7) for base in bases]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def style(salt: str) -> AbstractContextManager[None]:
    """Return matplotlib's settings for a picture; `salt` is its own, so that no two pictures share an id."""
    settings: dict[str, object] = {
        "svg.fonttype": "none",  # text stays text: it takes the page's font, and can be searched
        "svg.hashsalt": salt,  # the same run gives the same page, and no two pictures the same ids
        "font.size": 10,
        "axes.edgecolor": COLOURS["soft"],
        "axes.labelcolor": COLOURS["soft"],
        "xtick.color": COLOURS["soft"],
        "ytick.color": COLOURS["soft"],
        "text.color": COLOURS["ink"],
        "grid.color": COLOURS["grid"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.formatter.use_mathtext": False,
    }
    return mpl.rc_context(settings)  # type: ignore[arg-type]  # matplotlib types its settings by name


def figure_of(height: float) -> tuple[Figure, Axes]:
    """Return an empty picture, so many inches high."""
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    axes.grid(visible=True, axis="y", linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def svg(figure: Figure, description: str) -> Markup:
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
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return Markup(text)  # noqa: S704  (no text of the run's is in it but the escaped description)
