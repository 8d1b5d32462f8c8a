"""A student from what a user writes: a name, sizes, or a name with changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pocketbert.errors import UserError, unknown
from pocketbert.files import read_json
from students.architecture import (
    BOTTLENECKS,
    FIELDS,
    MOBILEBERT,
    SIZES,
    Proportions,
    StudentSpec,
    divisors,
    fitting_heads,
    usual_heads,
)
from students.catalogue import STUDENTS

__all__ = ["StudentSpec", "parse_student"]


def parse_student(text: str, teacher: Proportions | None = None) -> StudentSpec:
    """Return the student that a text stands for.

    Args:
        text: a name of the catalogue ("tiny"), sizes ("layers=3,hidden=384"), or a name with changes
            ("tiny,layers=3").
        teacher: what heads and feed_forward are taken from where sizes leave them out; without it they have the
            usual defaults.

    Raises:
        UserError: an unknown name or field (with near matches), a value that is not a whole number, a size that is
            missing, given twice or does not fit the others.
    """
    parts = [part.strip() for part in text.split(",")]
    if "=" in parts[0]:
        return StudentSpec(name=text, **_with_defaults(_fields(parts, text), text, teacher))
    if parts[0] and parts[0] not in STUDENTS and Path(parts[0]).is_dir():
        what = (
            "whose student has its sizes: leave the fields out" if parts[1:] else "and here a name or sizes are wanted"
        )
        raise UserError(f"student '{text}': {parts[0]} is a folder, {what}.")
    if parts[0] not in STUDENTS:
        raise unknown("student", parts[0], STUDENTS, "Or give sizes, such as layers=3,hidden=384.")
    base = STUDENTS[parts[0]]
    changes = _fields(parts[1:], text)
    return replace(base, name=text, description=f"{base.name}, changed", **changes) if changes else base


def parse_student_or_folder(text: str, teacher: Proportions | None = None) -> StudentSpec | Path:
    """Return the folder with a trained student that a text names, or else what `parse_student` says.

    A JSON file that a search wrote stands for the student that it names.
    """
    if text.endswith(".json"):
        return parse_student(_chosen(Path(text)), teacher)
    is_folder = text.strip() and text not in STUDENTS and Path(text).is_dir()
    return Path(text) if is_folder else parse_student(text, teacher)


def _chosen(path: Path) -> str:
    """Return the student that a search chose."""
    try:
        return str(read_json(path)["student"])
    except OSError as error:
        raise UserError(f"student file {path} can't be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} names no student: take the best.json of a search (python -m nas.search).") from None


def _fields(parts: list[str], text: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for part in parts:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise UserError(f"student '{text}': '{part}' is no field=value pair; known fields: {', '.join(FIELDS)}.")
        if key not in FIELDS:
            raise unknown("student field", key, FIELDS, f"(in '{text}')")
        if key in result:
            raise UserError(f"student '{text}': {key} is given twice; keep one.")
        result[key] = _whole_number(key, value, text) if key in SIZES else value
    return result


def _whole_number(key: str, value: str, text: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UserError(f"student '{text}': {key}={value} is not a whole number, such as {key}=4.") from None


def _with_defaults(given: dict[str, Any], text: str, teacher: Proportions | None) -> dict[str, Any]:
    missing = [size for size in ("layers", "hidden") if size not in given]
    if missing:
        raise UserError(f"student '{text}': {missing[0]} is missing, as in layers=3,hidden=384.")
    hidden = given["hidden"]
    if hidden < 1:
        return {"heads": 1, "feed_forward": 1} | given  # refused by StudentSpec
    if given.get("family") in BOTTLENECKS:
        return _bottleneck_defaults(given, teacher) | given
    if teacher is None or hidden > teacher.hidden:
        return {"heads": usual_heads(hidden), "feed_forward": 4 * hidden} | given
    feed_forward = max(1, hidden * teacher.feed_forward // teacher.hidden)
    return {"heads": fitting_heads(hidden, teacher), "feed_forward": feed_forward} | given


def _bottleneck_defaults(given: dict[str, Any], teacher: Proportions | None) -> dict[str, Any]:
    """Return MobileBERT's proportions, and the teacher's number of heads where the bottleneck can be split so."""
    narrow, hidden = given["family"] == MOBILEBERT, given["hidden"]
    inner = max(1, given.get("bottleneck", hidden // 4 if narrow else 2 * hidden))
    wanted = teacher.heads if teacher is not None else 4
    return {
        "bottleneck": inner,
        "embedding": max(1, hidden // 4),
        "heads": min(divisors(inner), key=lambda heads: (abs(heads - wanted), heads)),
        "feed_forward": 4 * inner,
        "feed_forwards": 4 if narrow else 1,
    }
