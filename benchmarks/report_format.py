"""Numbers and texts as people read them: 87.9, +0.3, 14.4 M, 15.4 MB, 6 min 52 s."""

import math
import re
from pathlib import Path

MISSING = "–"
PERCENT_METRICS = frozenset({"accuracy", "f1", "matthews", "pearson", "spearman"})
"""Metrics that are fractions or correlations and are shown times a hundred."""


def score(metric: str, value: float | None) -> str:
    """Return a metric's value: 0.8912 as ``89.1`` for fractions and correlations, others to 3 decimals."""
    if value is None:
        return MISSING
    return _minus(f"{100 * value:.1f}" if metric in PERCENT_METRICS else f"{value:.3f}")


def difference(metric: str, value: float | None) -> str:
    """Return a difference of two metric values with its sign: 0.0034 as ``+0.3`` (points)."""
    if value is None:
        return MISSING
    return _minus(f"{100 * value:+.1f}" if metric in PERCENT_METRICS else f"{value:+.3f}")


def unit(metric: str) -> str:
    """Return what a difference of this metric is counted in, with a leading space, or nothing."""
    return " points" if metric in PERCENT_METRICS else ""


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage: 0.9534 as ``95.3 %``."""
    return MISSING if fraction is None else _minus(f"{100 * fraction:.1f} %")


def decimal(value: float | None) -> str:
    """Return a small number with 3 decimals; what would read as 0.000 with one significant digit."""
    if value is None:
        return MISSING
    if value == 0 or abs(value) >= 0.0005:
        return _minus(f"{value:.3f}")
    digit, _, exponent = f"{value:.0e}".partition("e-")
    return f"{digit.replace('-', '−')}e−{int(exponent)}"


def count(number: float | None) -> str:
    """Return a count with 3 significant digits and an SI letter: 14350248 as ``14.4 M``."""
    if number is None:
        return MISSING
    for limit, letter in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        # 999,950 would read "1000 k": it belongs to the letter above.
        if abs(number) >= 0.9995 * limit:
            return f"{_three_digits(number / limit)}{letter}"
    return f"{number:.0f}"


def megabytes(number: float | None) -> str:
    """Return bytes as decimal megabytes with 3 significant digits: 15400000 as ``15.4 MB``."""
    return MISSING if number is None else f"{_three_digits(number / 1e6)} MB"


def milliseconds(value: float | None) -> str:
    """Return milliseconds with 3 significant digits and the unit: ``6.20 ms``."""
    return MISSING if value is None else f"{_three_digits(value)} ms"


def times(ratio: float | None) -> str:
    """Return a ratio as a factor: 5.13 as ``5.1x``."""
    if ratio is None:
        return MISSING
    return f"{ratio:.1f}x" if ratio >= 0.095 else f"{ratio:.2g}x"


def share(ratio: float | None) -> str:
    """Return how big a part is of a whole that is `ratio` times as large: ``1/9``, ``42 %`` or ``1.3x``.

    A fraction is only used where rounding its denominator changes what it says by at most 6 %.
    """
    if ratio is None:
        return MISSING
    if ratio <= 1 / 1.005:  # up to half a percent larger still reads as 100 %
        return times(1 / ratio)
    whole = round(ratio)
    if whole >= 2 and abs(ratio - whole) <= 0.06 * whole:
        return f"1/{whole}"
    return f"{100 / ratio:.0f} %"


def duration(seconds: float | None) -> str:
    """Return seconds as ``42 s``, ``6 min 52 s`` or ``2 h 05 min``."""
    if seconds is None:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def probability(value: float | None) -> str:
    """Return a p-value: ``p = 0.031``, or ``p < 0.001``."""
    if value is None:
        return MISSING
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def plain(value: object) -> str:
    """Return a setting or a version as text; nothing is shown as the missing sign."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    return str(value)


def unbroken(text: str) -> str:
    """Return `text` with no line break possible between a number and the unit after it."""
    return re.sub(r"(?<=\d) (?=(?:%|[kMGT]|ms|MB|points|tokens)(?!\w))", "\u00a0", text)


def clip(text: str, limit: int = 280) -> str:
    """Return `text` with white space folded, cut at a word where it is longer than `limit` characters."""
    folded = " ".join(text.split())
    if len(folded) <= limit:
        return folded
    at_word, _, last = folded[: limit - 1].rpartition(" ")
    if at_word and len(last) < limit // 4:
        return f"{at_word} …"
    return f"{folded[: limit - 1]}…"  # no space near (Chinese, an address): there is no word to cut at


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    rounded = round(value, decimals)
    # 9.996 rounds up to 10.00, which has a digit too many.
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def _minus(text: str) -> str:
    """Return a formatted number with a real minus sign, and no sign on a zero."""
    if float(text.removesuffix(" %")) == 0:
        return text.lstrip("+-")
    return text.replace("-", "−", 1)


def model_name(name: object) -> str:
    """Return a model's name that a phone has room for: of a path the last part, sizes with a space to break at."""
    text = "" if name is None else str(name)
    return (Path(text).name if text.startswith(("/", ".", "~")) else text).replace(",", ", ")
