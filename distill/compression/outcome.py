"""What a run's chains came to: the compressed students, and what is told of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from distill.compression.chain import Chain, carry_out
from distill.compression.files import writer
from distill.compression.plan import parse_chain
from distill.compression.state import FLOAT
from distill.pipeline import Trained
from distill.preparation import Run

Write = Callable[..., None]
ALWAYS = (FLOAT, "int8")
"""Every student is exported so."""


@dataclass(frozen=True)
class Outcome:
    """Of all seeds.

    Attributes:
        students: as they are after their chains.
        controls: the same of those without a teacher.
        chain: of the first seed's student, which is exported; None where nothing was asked for.
    """

    students: list[Trained]
    controls: list[Trained]
    chain: Chain | None = None
    others: list[Chain] = field(default_factory=list)

    @property
    def files(self) -> dict[str, Path]:
        """The exported student's files after each step, by name."""
        return {} if self.chain is None else self.chain.files

    def document(self) -> dict[str, Any] | None:
        """Return what is told of them, as JSON holds it."""
        if self.chain is None:
            return None
        precision = self.chain.state.precision
        return self.chain.document() | {"precision": None if precision in ALWAYS else precision}

    def warnings(self) -> list[str]:
        """Return a line on each chain that ended early."""
        chains = [] if self.chain is None else [self.chain, *self.others]
        return [f"compression ended early: {each.refused['line']}" for each in chains if each.refused is not None]

    def take_over(self, run: Run) -> None:
        """Let the run's student be the compressed one."""
        if self.chain is not None:
            run.student, run.reading = self.chain.state.model, self.chain.state.reading

    def more_files(self, run: Run) -> dict[str, Write]:
        """Return by precision what writes the student's file besides those that every student has."""
        if self.chain is None or self.chain.state.precision in ALWAYS:
            return {}
        return {self.chain.state.precision: writer(run, self.chain.state)}


def compress(
    run: Run,
    students: Sequence[Trained],
    controls: Sequence[Trained],
    latency: Callable[[PreTrainedModel], float],
    tell: Callable[[str], None],
) -> Outcome:
    """Carry the run's chain out for each of its trained models; nothing where none is asked for.

    Args:
        run: with its teachers ready.
        students: trained.
        controls: trained without a teacher; theirs never ask it either.
        latency: milliseconds of a model's file.
        tell: says a line.
    """
    if run.config.compress is None:
        return Outcome(list(students), list(controls))
    steps, most = parse_chain(run.config.compress), run.config.max_loss
    made = {
        role: [carry_out(run, steps, each, role, latency, most, tell) for each in trained]
        for role, trained in (("student", students), ("control", controls))
    }
    after = {
        role: [replace(each, evaluation_logits=chain.logits) for each, chain in zip(trained, made[role], strict=True)]
        for role, trained in (("student", students), ("control", controls))
    }
    first, *others = made["student"]
    return Outcome(after["student"], after["control"], first, [*others, *made["control"]])
