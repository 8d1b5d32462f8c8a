"""The page a run leaves behind: report.html, made from run.json's content alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmarks import report_compression as compression
from benchmarks import report_format as form
from benchmarks import report_tables as tables
from benchmarks.report_curves import panels
from benchmarks.report_facts import (
    TEACHER_FILE,
    Record,
    dig,
    median_ms,
    metric_name,
    number,
    quality,
    records,
    several_teachers,
    shipped,
    stated_length,
    texts,
)
from benchmarks.report_plots import Point, quality_latency
from benchmarks.report_text import conditions, headline
from pocketbert.errors import UserError
from pocketbert.files import write_text

SCHEMA = 1
FILE_NAME = "report.html"


def write_report(run: Mapping[str, Any], folder: Path) -> Path:
    """Write ``report.html`` into `folder`: one file, no script, no request to anywhere.

    Args:
        run: the content of the run's ``run.json``. Null and missing blocks are left out of the page, and so
            are numbers that are not finite.
        folder: where the page goes; made if it is not there.

    Returns:
        The page's path.

    Raises:
        UserError: the record has another schema than this version writes.
        TypeError: the record holds something JSON cannot.
    """
    if run.get("schema", SCHEMA) != SCHEMA:
        raise UserError(
            f"the run's record has schema {run['schema']}, this version reads schema {SCHEMA}: "
            "make the report with the version that made the run."
        )
    path = folder / FILE_NAME
    write_text(path, render(run))
    return path


def render(run: Mapping[str, Any]) -> str:
    """Return the page's HTML."""
    # Through JSON and back: lists for tuples, and NaN and infinity, which the page has no use for, as null.
    record: Record = json.loads(json.dumps(run), parse_constant=lambda _name: None)
    environment = Environment(
        loader=PackageLoader("benchmarks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = form.unbroken
    page = environment.get_template("report.html.j2").render(_view(record))
    # A command line may hold bytes that are not UTF-8, as lone surrogates.
    return page.encode("utf-8", "replace").decode("utf-8")


def _view(run: Record) -> dict[str, object]:
    return _first_view(run) | _measured_view(run) | _trained_view(run) | _record_view(run)


def _first_view(run: Record) -> dict[str, object]:
    names = [form.model_name(dig(run, "models", who, "name")) or who for who in ("teacher", "student")]
    if several_teachers(run):
        names[0] = " + ".join(form.model_name(teacher.get("name")) for teacher in several_teachers(run))
    return {
        "title": f"{names[0]} → {names[1]} on {form.plain(dig(run, 'data', 'name') or 'a task')}",
        "headline": headline(run),
        "warnings": texts(run, "warnings"),
        "cards": tables.key_figures(run),
        "shipped": shipped(run).title,
        "missing": form.MISSING,
    }


def _measured_view(run: Record) -> dict[str, object]:
    seeds = tables.seeds_table(run)
    return {
        "metric": metric_name(run),
        "in_percent": metric_name(run) in form.PERCENT_METRICS,
        "quality": tables.quality_table(run),
        "comparisons": tables.comparison_table(run),
        "seeds": seeds if len(seeds.rows) > 1 else None,
        "plot": quality_latency_plot(run),
        "plot_length": _plot_length(run),
        "latency": tables.latency_table(run),
        "conditions": conditions(run),
        "rounds": dig(run, "latency", "rounds"),
        "files": tables.files_table(run),
        "parity": tables.parity_table(run),
        "models": tables.models_table(run),
        "compression": compression.compression_table(run),
        "compression_notes": compression.compression_notes(run),
        "compression_plot": compression.compression_plot(run),
    }


def _trained_view(run: Record) -> dict[str, object]:
    examples = records(run, "disagreements")
    return {
        "initialisation": dig(run, "initialisation") or {},
        "alignment": texts(run, "alignment"),
        "panels": panels(run),
        "controlled": any(records(seed, "control_history") for seed in records(run, "seeds")),
        "several_seeds": len(records(run, "seeds")) > 1,
        "stages": tables.stages_table(run),
        "examples": [_example(example) for example in examples],
        "regression": dig(run, "data", "kind") == "regression",
    }


def _record_view(run: Record) -> dict[str, object]:
    recipe = dig(run, "recipe")
    return {
        "data": _data(run),
        "messages": texts(run, "data", "messages"),
        "command": str(dig(run, "command") or "").split(" "),
        "recipe": yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True) if recipe else "",
        "config": tables.settings_table(dig(run, "config")),
        "environment": tables.settings_table(dig(run, "environment")),
        "created": form.plain(dig(run, "created")),
        "continued": bool(dig(run, "continued")),
        "wall_time": form.duration(number(run, "wall_seconds")),
        "version": form.plain(dig(run, "environment", "pocketbert")),
    }


def _plot_length(run: Record) -> int | None:
    return stated_length(run, shipped(run).file) or stated_length(run, "student fp32")


def quality_latency_plot(run: Record) -> Markup | None:
    """Return the quality-latency picture, or None where fewer than two models have both numbers."""
    length, metric = _plot_length(run), metric_name(run)
    exported = "student_fp32_onnx" if quality(run, "student_fp32_onnx") is not None else "student"
    precision = dig(run, "compression", "precision")
    first = "first " if several_teachers(run) else ""
    candidates = [
        (f"{first}teacher fp32", "teacher", "teacher_fp32_onnx" if first else "teacher", TEACHER_FILE),
        (f"{first}teacher int8", "teacher int8", "teacher_int8_onnx", "teacher int8"),
        ("student fp32", "student", exported, "student fp32"),
        ("student int8", "int8", "student_int8_onnx", "student int8"),
        (f"student {precision}", "compressed", f"student_{precision}_onnx", f"student {precision}"),
        ("control (no teacher), fp32", "control", "control", "student fp32"),
    ]
    scale = 100.0 if metric in form.PERCENT_METRICS else 1.0
    points = []
    for title, role, who, file in candidates:
        value, speed = quality(run, who), median_ms(run, file, length)
        if value is not None and speed is not None:
            ends = [number(run, "quality", who, end) for end in ("low", "high")]
            low, high = (end * scale if end is not None else None for end in ends)
            points.append(Point(title, role, speed, value * scale, low, high))
    if len(points) < 2:
        return None
    return quality_latency(points, f"{metric} against p50 latency in milliseconds at {length} tokens")


def _example(example: Record) -> dict[str, str]:
    """Return one disagreement as texts; the sentences cut to what fits a page (run.json has them whole)."""
    shown = {key: form.clip(str(example.get(key) or "")) for key in ("text", "text_pair")}
    shown |= {key: form.plain(example.get(key)) for key in ("label", "teacher", "student")}
    for who in ("teacher", "student"):
        confidence = number(example, f"{who}_confidence")
        shown[f"{who}_confidence"] = form.percent(confidence) if confidence is not None else ""
        shown[f"{who}_mark"] = "right" if example.get(who) == example.get("label") else "wrong"
    return shown


def _data(run: Record) -> list[tuple[str, str]]:
    data = dig(run, "data") or {}
    rows = [
        (f"{name} rows", f"{size:,.0f}")
        for name in ("train", "unlabelled", "augmented", "evaluation")
        if (size := number(data, "rows", name)) is not None
    ]
    keys = {"name": "name", "source": "source", "kind": "kind", "metric": "metric", "labels": "labels"}
    keys |= {"text_columns": "text columns"}
    return [(title, form.plain(data[key])) for key, title in keys.items() if data.get(key)] + rows
