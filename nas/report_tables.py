"""What a search's page says in words and tables, from its record alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report_tables import Card, Cell, Table
from students.spec import parse_student

Record = Mapping[str, Any]


def headline(record: Record) -> dict[str, str]:
    """Return what was found, in one line, and how, in another."""
    best = (record["finished"] or [record["best"]])[0]
    share = best["quality"] / record["teacher"]["quality"] if record["teacher"]["quality"] else 0.0
    costs = best.get("footprint", best)
    title = (
        f"{sizes(best['student'])}: {100 * share:.1f} % of the teacher's {record['metric']} at "
        f"{costs['latency_ms']:.2f} ms and {costs['size_mb']:.1f} MB"
    )
    how = "distilled with the whole recipe" if record["finished"] else "after a short distillation, not finished yet"
    if not record["finished"] and record["best"]["quality"] < max(row["quality"] for row in record["front"]):
        how += ", of those whose scores the rows hardly tell from the best the nearest to the teacher"
    detail = (
        f"{how.capitalize()}; chosen of {record['students_looked_at']} students looked at, of "
        f"{record['students_in_space']:,} in the space."
    )
    return {"title": title, "detail": detail}


def cards(record: Record) -> list[Card]:
    """Return the key figures."""
    best = (record["finished"] or [record["best"]])[0]
    costs, reference = best.get("footprint", best), record["reference"]
    ratio = reference["latency_ms"] / costs["latency_ms"]
    return [
        Card(record["metric"], f"{100 * best['quality']:.1f}", f"teacher {100 * record['teacher']['quality']:.1f}"),
        Card("latency", f"{costs['latency_ms']:.2f} ms", f"{ratio:.2f} times as fast as {reference['student']}"),
        Card("file", f"{costs['size_mb']:.1f} MB", f"{best.get('form', 'int8')} ONNX"),
        Card("looked at", f"{record['students_looked_at']}", f"of {record['students_in_space']:,} students"),
    ]


def front_table(record: Record) -> Table:
    """Return the front, behind the best, which may be a little off it."""
    students = [record["best"], *(row for row in record["front"] if row["student"] != record["best"]["student"])]
    heads = ["student", record["metric"], "latency, ms", "file, MB"]
    memory = any(row["memory_mb"] is not None for row in students)
    rows = [
        [
            Cell(sizes(row["student"]), row["student"]),
            Cell(f"{100 * row['quality']:.2f}"),
            Cell(f"{row['latency_ms']:.2f}"),
            Cell(f"{row['size_mb']:.1f}"),
            *([Cell(f"{row['memory_mb'] or 0:.0f}")] if memory else []),
        ]
        for row in students
    ]
    return Table([*heads, *(["memory, MB"] if memory else [])], rows)


def finalists_table(record: Record) -> Table:
    """Return the students that were distilled for longer, the chosen one first."""
    rows: Sequence[Mapping[str, Any]] = record["finalists"]
    metric = record["metric"]
    return Table(
        ["student", metric, "then", "distance", "then"],
        [
            [
                Cell(sizes(row["student"]), "by hand" if row["trial"] is None else row["student"]),
                Cell(f"{100 * row['quality_in_search']:.2f}"),
                Cell(f"{100 * row['quality']:.2f}"),
                Cell(f"{row['distance_in_search']:.3f}"),
                Cell(f"{row['distance']:.3f}"),
            ]
            for row in rows
        ],
    )


def finished_table(record: Record) -> Table:
    """Return the students that were finished, and the hand-made one where it was, too."""
    rows: Sequence[Mapping[str, Any]] = record["finished"]
    heads = ["student", record["metric"], "in the search", "ms", "MB"]
    return Table(
        heads,
        [
            [
                Cell(sizes(row["student"]), f"{row['folder']}, {row['form']}"),
                Cell(f"{100 * row['quality']:.2f}", _share(row)),
                Cell("by hand" if row["proxy"] is None else f"{100 * row['proxy']:.2f}"),
                Cell(f"{row['footprint']['latency_ms']:.2f}"),
                Cell(f"{row['footprint']['size_mb']:.1f}"),
            ]
            for row in rows
        ],
    )


def _share(row: Record) -> str:
    return f"{100 * row['quality'] / row['teacher']:.1f} % of the teacher's" if row["teacher"] else ""


def sizes(text: str) -> str:
    """Return a student's name, or its sizes where it has none."""
    return parse_student(text).sizes if "=" in text else text
