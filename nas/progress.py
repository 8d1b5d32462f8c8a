"""The bar of a search: students, the best so far, and the time left."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nas.front import Candidate, candidates
from nas.goals import UNITS, Goals
from nas.study import Ended, looked_at


@contextmanager
def progress(
    method: str, study: optuna.Study, goals: Goals, total: int, minutes: float, console: Console
) -> Iterator[Ended]:
    """Show a bar, and return what is to be called after each trial.

    Args:
        method: that chooses the students.
        study: of them.
        goals: tell which is best.
        total: students after which the search ends.
        minutes: after which it ends, too.
        console: to show it on.
    """
    columns = (
        TextColumn(f"searching ({method})"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[best]}"),
    )
    begin = time.monotonic()
    with Progress(*columns, console=console) as bar:
        before = len(looked_at(study))
        task = bar.add_task("", total=total, completed=before, best="")

        def ended(study: optuna.Study, trial: FrozenTrial) -> None:
            del trial
            done = len(looked_at(study))
            spent = (time.monotonic() - begin) / (60 * minutes)
            # Whichever ends first: the students or the minutes.
            reachable = before + round((done - before) / spent) if 0 < spent < 1 else done
            bar.update(
                task,
                completed=done,
                total=min(total, max(done, reachable)),
                best=_told(candidates(study, goals)[:1]),
            )

        yield ended


def _told(best: Sequence[Candidate]) -> str:
    if not best:
        return "none within the limits yet"
    return f"best {best[0].quality:.4f} at {best[0].footprint.latency_ms:.2f}{UNITS['latency']}"
