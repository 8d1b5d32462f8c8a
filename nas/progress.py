"""The bar of a search: students, the best so far, and the time left."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.trial import FrozenTrial
from tqdm.auto import tqdm

from nas.front import Candidate, candidates
from nas.goals import UNITS, Goals
from nas.study import Ended, looked_at


@contextmanager
def progress(method: str, study: optuna.Study, goals: Goals, total: int, minutes: float) -> Iterator[Ended]:
    """Show a bar, and return what is to be called after each trial.

    Args:
        method: that chooses the students.
        study: of them.
        goals: tell which is best.
        total: students after which the search ends.
        minutes: after which it ends, too.
    """
    begin, before = time.monotonic(), len(looked_at(study))
    with tqdm(total=total, initial=before, desc=f"searching ({method})", unit="student", mininterval=1) as bar:

        def ended(study: optuna.Study, trial: FrozenTrial) -> None:
            del trial
            done = len(looked_at(study))
            spent = (time.monotonic() - begin) / (60 * minutes)
            # Whichever ends first: the students or the minutes.
            reachable = before + round((done - before) / spent) if 0 < spent < 1 else done
            bar.total = min(total, max(done, reachable))
            bar.set_postfix_str(_told(candidates(study, goals)[:1]), refresh=False)
            bar.update(done - bar.n)

        yield ended


def _told(best: Sequence[Candidate]) -> str:
    if not best:
        return "none within the limits yet"
    return f"best {best[0].quality:.4f} at {best[0].footprint.latency_ms:.2f}{UNITS['latency']}"
