"""What every step of a chain is given, and gives."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel

from distill.compression.plan import BY_LABELS, BY_TEACHER, Recovery, Step
from distill.compression.state import State
from distill.data.encoding import MODEL_INPUTS
from distill.preparation import Run
from pocketbert.errors import DoesNotFit, UserError

MEASURED_ROWS, BATCH = 1024, 32
"""Labelled rows that a step looks at to tell what matters: some twenty thousand tokens."""


@dataclass(frozen=True)
class Bench:
    """Where a step works.

    Attributes:
        run: with its teachers ready.
        role: "student", or "control", which learns from labels alone.
        seed: of the training.
        folder: the step's own.
        latency: milliseconds of a model's file here.
    """

    run: Run
    role: str
    seed: int
    folder: Path
    latency: Callable[[PreTrainedModel], float]

    def recovery(self, step: Step) -> Recovery:
        """Return how a step trains: a control never asks the teacher."""
        by_teacher = step.recovery.by == BY_TEACHER and self.role == "control"
        return Recovery(BY_LABELS, step.recovery.steps, step.recovery.rate) if by_teacher else step.recovery

    def title(self, step: Step) -> str:
        """Return what the progress bar of a step's training says."""
        return f"{self.role}, seed {self.seed}: {step.text}"


@dataclass(frozen=True)
class Applied:
    """What a step has made, and a line on it."""

    state: State
    note: str


@dataclass(frozen=True)
class Kind:
    """A kind of step.

    Attributes:
        check: raises UserError for what can't be done to the run's student.
        apply: does it.
    """

    check: Callable[[Step, Run], None]
    apply: Callable[[Step, State, Bench], Applied]


@contextmanager
def named(step: Step) -> Iterator[None]:
    """Say of a refusal which step it is about."""
    try:
        yield
    except DoesNotFit as error:
        raise DoesNotFit(f"compression step '{step.text}': {error}") from None
    except UserError as error:
        raise UserError(f"compression step '{step.text}': {error}") from None


def measured_rows(state: State, seed: int) -> Dataset:
    """Return labelled rows, drawn at random."""
    rows = state.reading.rows.labelled
    return rows.select(np.random.default_rng(seed).permutation(len(rows))[:MEASURED_ROWS].tolist())


def measured_batches(state: State, seed: int) -> Sequence[dict[str, Tensor]]:
    """Return batches of `measured_rows`, on the model's device."""
    rows = measured_rows(state, seed)
    columns = [name for name in (*MODEL_INPUTS, "labels") if name in rows.column_names]
    chosen = list(rows.select_columns(columns))
    batches = [state.reading.collator(chosen[at : at + BATCH]) for at in range(0, len(chosen), BATCH)]
    return [{name: tensor.to(state.model.device) for name, tensor in batch.items()} for batch in batches]
