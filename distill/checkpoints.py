"""A stage's checkpoints: when one is worth its time, and which of a folder's is whole."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pocketbert import processes
from pocketbert.errors import UserError

TRAINER_STATE = "trainer_state.json"
RANDOM_STATE = "rng_state"
"""Begins the names of the Trainer's files with a process's random state: one alone has no number, several have."""

MOST_SHARE = 0.02
"""Of the training's time that checkpoints may take."""


class SparedCheckpoints(TrainerCallback):
    """Passes over checkpoints that come too soon after the last one.

    What a checkpoint costs does not depend on the training's length: ten of a small student's weigh nothing in a
    training of an hour, and an eighth of one of 20 s. The first is always written, the next ones when training has
    gone on for fifty times as long as the last one took. There is none at the end, where the result itself is written.

    Args:
        clock: seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begin: float | None = None
        self._end = self._took = 0.0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Take back a checkpoint that is about to be written too soon."""
        if control.should_save:
            wanted = state.global_step < state.max_steps and self._clock() - self._end >= self._took / MOST_SHARE
            control.should_save = processes.agreed(wanted)
            self._begin = self._clock()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        """Take the time that it took."""
        self._end = self._clock()
        if self._begin is not None:
            self._took = self._end - self._begin


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint and remove those that a kill left half written.

    The Trainer's first process writes `trainer_state.json` last, so a checkpoint that has it whole is whole once the
    other processes have written theirs.

    Raises:
        UserError: another number of processes wrote it: its steps were of another size.
    """
    found = sorted(folder.glob("checkpoint-*"), key=_number, reverse=True)
    whole = [path for path in found if _is_whole(path)]
    for path in found:
        if path not in whole:
            shutil.rmtree(path)
    if whole:
        _check_processes(whole[0])
    return whole[0] if whole else None


def steps_done(folder: Path) -> int:
    """Return the steps up to a stage's newest whole checkpoint; removes nothing."""
    return max((_number(path) for path in folder.glob("checkpoint-*") if _is_whole(path)), default=0)


def _number(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / TRAINER_STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    numbers = _numbered(checkpoint)
    return processes.count() == 1 or not numbers or numbers >= set(range(processes.count()))


def _numbered(checkpoint: Path) -> set[int]:
    """Return the numbers of the processes whose random state is there; none where one process wrote it."""
    return {int(path.stem.rpartition("_")[2]) for path in checkpoint.glob(f"{RANDOM_STATE}_[0-9]*.pth")}


def _check_processes(checkpoint: Path) -> None:
    alone = (checkpoint / f"{RANDOM_STATE}.pth").exists()
    before, here = 1 if alone else len(_numbered(checkpoint)), processes.count()
    if before not in {0, here}:
        raise UserError(
            f"{checkpoint} was written by {before} process(es) and {here} would go on with it, whose steps are of "
            f"another size: start {before}, or delete that folder to begin the stage again."
        )
