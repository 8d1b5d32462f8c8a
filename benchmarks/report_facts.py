"""What a run's record says about one thing: a model, a file, a latency. Null and absent are the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

PREFERRED_LENGTH = 32
"""The sequence length, in tokens, that latency is quoted at where it was measured: a sentence of a review."""


@dataclass(frozen=True)
class Variant:
    """One form of the student.

    Attributes:
        title: what the page calls it.
        quality: its key in the run's ``quality`` block.
        file: its name among the artefacts and in the latency rows.
    """

    title: str
    quality: str
    file: str


VARIANTS = (
    Variant("int8 ONNX", "student_int8_onnx", "student int8"),
    Variant("fp32 ONNX", "student_fp32_onnx", "student fp32"),
    Variant("PyTorch", "student", "student weights"),
)
"""The student's forms that every run has, the one a user would ship first."""
TEACHER_FILE = "teacher fp32"


def variants(run: Mapping[str, Any]) -> tuple[Variant, ...]:
    """Return the student's forms: first the precision that a chain of compression ended with, if any other."""
    precision = dig(run, "compression", "precision")
    if not precision:
        return VARIANTS
    return (Variant(f"{precision} ONNX", f"student_{precision}_onnx", f"student {precision}"), *VARIANTS)


def dig(tree: object, *path: str) -> Any:  # noqa: ANN401  (anything JSON can hold)
    """Return what lies at `path` in nested mappings, or None where a step is missing."""
    for key in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree


def number(tree: object, *path: str) -> float | None:
    """Return the number at `path`, or None where there is none."""
    value = dig(tree, *path)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def records(tree: object, *path: str) -> Sequence[Record]:
    """Return the list of mappings at `path`; empty where there is none."""
    value = dig(tree, *path)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def texts(tree: object, *path: str) -> list[str]:
    """Return the list at `path` as strings; empty where there is none."""
    value = dig(tree, *path)
    return [str(item) for item in value if item is not None] if isinstance(value, list) else []


def metric_name(run: Record) -> str:
    """Return the name of the task's metric."""
    return str(dig(run, "data", "metric") or dig(run, "quality", "student", "metric") or "metric")


def quality(run: Record, who: str) -> float | None:
    """Return the metric of ``teacher``, ``student``, ``control`` …, or None where it was not measured."""
    return number(run, "quality", who, "value")


def several_teachers(run: Record) -> Sequence[Record]:
    """Return the teachers whose answers were averaged; empty where there was one."""
    found = records(run, "teachers")
    return found if len(found) > 1 else []


def artefact(run: Record, name: str) -> Record:
    """Return the record of the file called `name`; empty where there is none."""
    return next((item for item in records(run, "artefacts") if item.get("name") == name), {})


def file_bytes(run: Record, name: str) -> float | None:
    """Return the size in bytes of the file called `name`; a size of 0 counts as not known."""
    return number(artefact(run, name), "bytes") or None


def refused(run: Record, variant: Variant) -> bool:
    """Tell whether the export of `variant` was refused because its metric fell too far."""
    return bool(dig(artefact(run, variant.file), "parity", "refused"))


def shipped(run: Record) -> Variant:
    """Return the form of the student the headline speaks of.

    That is int8, else fp32 ONNX, else PyTorch: the first that was not refused and whose metric is known, or,
    where no metric is, the first with a file or a latency.
    """
    allowed = [variant for variant in variants(run) if not refused(run, variant)]
    for variant in allowed:
        if quality(run, variant.quality) is not None:
            return variant
    for variant in allowed:
        if file_bytes(run, variant.file) or _lengths(run, variant.file):
            return variant
    return VARIANTS[-1]


def latency(run: Record, model: str, length: int | None) -> Record:
    """Return the latency row of `model` at `length` tokens; empty where it was not measured."""
    rows = records(run, "latency", "rows")
    return next((row for row in rows if row.get("model") == model and row.get("length") == length), {})


def median_ms(run: Record, model: str, length: int | None) -> float | None:
    """Return the p50 latency in milliseconds of `model` at `length` tokens."""
    return number(latency(run, model, length), "p50_ms") or None


def stated_length(run: Record, model: str) -> int | None:
    """Return the length nearest to 32 tokens at which both `model` and the fp32 teacher were measured."""
    both = _lengths(run, model) & _lengths(run, TEACHER_FILE)
    return min(both, key=lambda length: (abs(length - PREFERRED_LENGTH), length), default=None)


def ratio(whole: float | None, part: float | None) -> float | None:
    """Return ``whole / part``, or None where either is unknown or `part` is 0."""
    return whole / part if whole is not None and part else None


def speed_ratio(run: Record, variant: Variant) -> float | None:
    """Return how many times as fast as the fp32 teacher `variant` is, at the stated length."""
    length = stated_length(run, variant.file)
    return ratio(median_ms(run, TEACHER_FILE, length), median_ms(run, variant.file, length))


def size_ratio(run: Record, variant: Variant) -> float | None:
    """Return how many times as large as `variant`'s file the fp32 teacher's file is."""
    return ratio(file_bytes(run, TEACHER_FILE), file_bytes(run, variant.file))


def _lengths(run: Record, model: str) -> set[int]:
    rows = records(run, "latency", "rows")
    return {int(row["length"]) for row in rows if row.get("model") == model and number(row, "p50_ms")}
