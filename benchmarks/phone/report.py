"""The page with what phones found: report.html, made anew from the results that are kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmarks import report_format as form
from benchmarks.phone import tables
from benchmarks.phone.picture import latency_by_length
from benchmarks.phone.results import name_of
from pocketbert.files import write_text

FILE_NAME = "report.html"


def write_report(
    folder: Path, title: str, found: Sequence[Mapping[str, Any]], laptop: Mapping[str, Any] | None
) -> Path:
    """Write the page; return its path.

    Args:
        folder: of the results.
        title: of what was measured.
        found: the results, the oldest first.
        laptop: the laptop's own rows; None where it did not measure.
    """
    path = folder / FILE_NAME
    write_text(path, report(title, found, laptop))
    return path


def report(title: str, found: Sequence[Mapping[str, Any]], laptop: Mapping[str, Any] | None) -> str:
    """Return the page; see `write_report`."""
    environment = Environment(
        loader=PackageLoader("benchmarks"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["unbroken"] = form.unbroken
    newest = list(reversed(found))
    return environment.get_template("phone.html.j2").render(
        title=title,
        headline=tables.headline(found),
        cards=tables.cards(newest[0]) if newest else [],
        devices=tables.devices_table(newest),
        phones=[_phone(result, laptop) for result in newest],
        laptop=None if laptop is None else laptop["environment"],
    )


def _phone(result: Mapping[str, Any], laptop: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "name": name_of(result["device"]),
        "warnings": tables.warnings(result),
        "batch": result["batch"],
        "times": tables.times_table(result, laptop),
        "picture": _picture(result),
        "files": tables.files_table(result),
        "sustained": tables.sustained_table(result),
        "sustained_of": result["sustained"],
        "facts": tables.facts(result),
    }


def _picture(result: Mapping[str, Any]) -> Markup | None:
    rows = result["rows"]
    if not rows:
        return None
    most = max(row["threads"] for row in rows)
    series: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["threads"] == most:
            series.setdefault(row["name"], []).append(row)
    return latency_by_length(series, f"Latency by length on {name_of(result['device'])}, {result['received']}")
