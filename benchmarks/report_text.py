"""The headline of a run: what the student keeps of its teacher, and whether the teacher was worth it."""

from dataclasses import dataclass
from typing import Literal

from benchmarks import report_format as form
from benchmarks.report_facts import (
    TEACHER_FILE,
    Record,
    Variant,
    dig,
    file_bytes,
    median_ms,
    metric_name,
    number,
    quality,
    ratio,
    records,
    refused,
    several_teachers,
    shipped,
    size_ratio,
    speed_ratio,
    stated_length,
    variants,
)

Verdict = Literal["better", "unclear", "worse", "unknown"]
_CONTROL = "the same student trained without the teacher"


@dataclass(frozen=True)
class Headline:
    """The first lines of the report.

    Attributes:
        title: "keeps 97.2 % of the teacher at 5.1x the speed and 1/9 of the size", or what is known of it.
        detail: the numbers behind the title, with the length, threads and batch they were measured at.
        control: how the student compares with its control, with the interval.
        verdict: what `control` says in one word; "unclear" where the interval includes 0.
    """

    title: str
    detail: str
    control: str
    verdict: Verdict


def headline(run: Record) -> Headline:
    """Return the headline of a run, from the record alone.

    The student's int8 ONNX file stands for it where there is one, else the fp32 one, else PyTorch; speed and
    size are the fp32 teacher's ONNX file against that file.
    """
    variant = shipped(run)
    control, verdict = control_line(run)
    return Headline(_title(run, variant), _detail(run, variant), control, verdict)


def judge(interval: Record) -> Verdict:
    """Return what a difference and its 95 % interval say: "unclear" where 0 lies inside it."""
    low, high = number(interval, "low"), number(interval, "high")
    if low is None or high is None:
        return "unknown"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "unclear"


def control_line(run: Record) -> tuple[str, Verdict]:
    """Return the sentence on student and control, and the verdict.

    The paired difference over the seeds is used where there are several, since it holds the spread of
    training too; with one seed, the interval over the evaluation rows.
    """
    interval, basis, is_mean = _control_interval(run)
    change = number(interval, "mean" if is_mean else "difference")
    if change is None:
        return f"Not compared with {_CONTROL}: --control trains one.", "unknown"
    metric = metric_name(run)
    amount = f"{form.difference(metric, change)}{form.unit(metric)}"
    verdict = judge(interval)
    if verdict == "unknown":
        return (
            f"Against {_CONTROL}: {amount}, without an interval, so chance is not ruled out ({basis}).",
            verdict,
        )
    opening = {"better": "Better than", "worse": "Worse than", "unclear": "No better than"}[verdict]
    low, high = (form.difference(metric, number(interval, end)) for end in ("low", "high"))
    return f"{opening} {_CONTROL}: {amount}, 95 % interval {low} to {high} ({basis}).", verdict


def _control_interval(run: Record) -> tuple[Record, str, bool]:
    seeds = len(records(run, "seeds"))
    over_seeds = dig(run, "summary_over_seeds", "difference") or {}
    if seeds > 1 and number(over_seeds, "mean") is not None:
        p_value = number(over_seeds, "p_value")
        return (
            over_seeds,
            f"{seeds} seeds, paired" + (f", {form.probability(p_value)}" if p_value is not None else ""),
            True,
        )
    single = dig(run, "quality", "comparisons", "student_minus_control") or {}
    return single, "one seed: the interval covers the evaluation rows, not the chance of training", False


def _title(run: Record, variant: Variant) -> str:
    speed, size = speed_ratio(run, variant), size_ratio(run, variant)
    costs = []
    if speed is not None:
        costs.append(f"{form.times(speed)} the speed")
    if size is not None:
        costs.append(f"{form.share(size)}{' of' if size > 1 / 1.005 else ''} the size")
    kept = _kept(run, variant)
    if kept and costs:
        first = " of the first" if several_teachers(run) else ""
        return f"{kept}{',' * (',' in kept)} at {' and '.join(costs)}{first}"
    if costs:
        return f"{' and '.join(costs)} of the teacher; quality not measured"
    return kept or "trained, but nothing was measured against the teacher"


def _kept(run: Record, variant: Variant) -> str:
    metric = metric_name(run)
    student, teacher = quality(run, variant.quality), quality(run, "teacher")
    if student is None:
        return ""
    if teacher is None:
        return f"scores {form.score(metric, student)} ({metric}; teacher not measured)"
    low, constant = number(run, "quality", "teacher", "low"), number(run, "quality", "constant_answer")
    if low is not None and constant is not None and low <= constant:
        return (
            f"scores {form.score(metric, student)} where the teacher scores {form.score(metric, teacher)}, not clearly "
            "better than one answer for every row"
        )
    if teacher <= 0 or student < 0:  # a share of a correlation at or below zero says nothing
        return f"scores {form.score(metric, student)} where the teacher scores {form.score(metric, teacher)}"
    teachers = several_teachers(run)
    whole = f"the average of {len(teachers)} teachers" if teachers else "the teacher"
    return f"keeps {form.percent(student / teacher)} of {whole}"


def _detail(run: Record, variant: Variant) -> str:
    metric = metric_name(run)
    parts = []
    scores = [form.score(metric, quality(run, who)) for who in (variant.quality, "teacher")]
    if form.MISSING not in scores:
        parts.append(f"{metric} {scores[0]} against {scores[1]}{_kept_interval(run, variant)}")
    length = stated_length(run, variant.file)
    if length is not None:
        student, teacher = (form.milliseconds(median_ms(run, name, length)) for name in (variant.file, TEACHER_FILE))
        parts.append(f"{student} against {teacher} at {length} tokens ({conditions(run)})")
    sizes = [form.megabytes(file_bytes(run, name)) for name in (variant.file, TEACHER_FILE)]
    if form.MISSING not in sizes:
        parts.append(f"{sizes[0]} against {sizes[1]}")
    if not parts:
        return ""
    passed_over = [other.title for other in variants(run) if refused(run, other)]
    note = "".join(f" The {title} export was refused." for title in passed_over)
    teachers = several_teachers(run)
    average = f"the average of {len(teachers)} teachers, in speed and size the first of them"
    whole = average if teachers else "the teacher"
    opening = f"The student as {variant.title} against {whole} in fp32"
    return f"{opening}: {'; '.join(parts)}.{_against_int8_teacher(run, variant)}{note}"


def _kept_interval(run: Record, variant: Variant) -> str:
    low, high = (number(run, "quality", "kept", variant.quality, end) for end in ("low", "high"))
    if low is None or high is None:
        return ""
    return f" (95 % interval of what is kept: {form.percent(low)} to {form.percent(high)})"


def _against_int8_teacher(run: Record, variant: Variant) -> str:
    """Return the sentence that takes quantisation out of the comparison: int8 against int8."""
    length = stated_length(run, variant.file)
    speed = ratio(median_ms(run, "teacher int8", length), median_ms(run, variant.file, length))
    if variant.file != "student int8" or speed is None:
        return ""
    return f" With the teacher in int8 too, the speed is {form.times(speed)}."


def conditions(run: Record) -> str:
    """Return what the latency was measured with: "ONNX Runtime, p50, 1 thread, batch 1"."""
    said = ["ONNX Runtime", "p50"]
    threads, batch = number(run, "latency", "threads"), number(run, "latency", "batch")
    if threads is not None:
        said.append(f"{threads:.0f} thread{'s' * (threads != 1)}")
    if batch is not None:
        said.append(f"batch {batch:.0f}")
    return ", ".join(said)


def kept_share(run: Record, variant: Variant) -> float | None:
    """Return the student's metric as a fraction of the teacher's, or None where that says nothing."""
    teacher = quality(run, "teacher")
    return ratio(quality(run, variant.quality), teacher) if teacher and teacher > 0 else None
