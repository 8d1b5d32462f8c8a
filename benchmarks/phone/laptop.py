"""The same files on the laptop, measured once, to stand beside the phone's times."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.device import environment
from benchmarks.measuring import measure
from benchmarks.phone.candidates import Candidate
from benchmarks.phone.plan import SCHEMA, Plan
from pocketbert.files import read_json, write_json

FILE_NAME = "laptop.json"


def laptop(files: Sequence[Candidate], plan: Plan, folder: Path, console: Console) -> dict[str, Any]:
    """Return this machine's rows, of one thread; those that are kept, where files and plan are the same.

    Args:
        files: that the phone gets; those that fail their golden sentences here are left out.
        plan: of the measurement.
        folder: of the results.
        console: for the bar.
    """
    asked = {
        "files": {each.name: each.proven.sha256 for each in files},
        "lengths": list(plan.lengths),
        "batch": plan.batch,
        "rounds": plan.rounds,
    }
    path = folder / FILE_NAME
    try:
        known = read_json(path)
        if (known["schema"], known["asked"]) == (SCHEMA, asked):
            return dict(known)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not measured yet, or by another version
    right = {each.name: each.path for each in files if not each.proven.failed}
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("measuring on this machine first")
        rows = [] if not right else measure(
            right, plan.lengths, batch=plan.batch, rounds=plan.rounds,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    found = {
        "schema": SCHEMA,
        "asked": asked,
        "environment": environment(),
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    write_json(path, found)
    return found
