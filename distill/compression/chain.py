"""Carries a chain out: step by step, each measured and kept, so that the same command goes on after a kill."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_model
from transformers import PreTrainedModel

from distill.compression.blame import blamed
from distill.compression.guard import judged
from distill.compression.keeping import Kept, finished, keep
from distill.compression.measuring import measure
from distill.compression.plan import Step
from distill.compression.state import State
from distill.compression.steps import KINDS, Applied, Bench, factorising, pruning
from distill.compression.steps.base import named
from distill.pipeline import Trained
from distill.preparation import Logits, Run
from pocketbert.devices import best_device, move

FOLDER, START = "compression", "before"
Tell = Callable[[str], None]


@dataclass
class Chain:
    """What became of a chain.

    Attributes:
        kept: the start, and each step that was not refused.
        refused: what is told of a step that was, with a `line` on the reason and the steps that are `left` undone; None
            where there was none.
    """

    kept: list[Kept] = field(default_factory=list)
    refused: dict[str, Any] | None = None

    @property
    def state(self) -> State:
        """The model that it ends with."""
        return self.kept[-1].state

    @property
    def logits(self) -> Logits:
        """What the last model says in PyTorch on the evaluation split, [N, C]."""
        return self.kept[-1].float_logits

    @property
    def files(self) -> dict[str, Path]:
        """The files after each step, by name."""
        return {each.document["name"]: each.file for each in self.kept}

    def document(self) -> dict[str, Any]:
        """Return all that is told of it, as JSON holds it."""
        return {"steps": [each.document for each in self.kept], "refused": self.refused}


def check_chain(run: Run, steps: Sequence[Step]) -> None:
    """Check what can be known before any long work.

    Raises:
        UserError: a step can't be done to the run's student.
    """
    for step in steps:
        KINDS[step.name].check(step, run)
    pruning.check_together(steps, run)
    factorising.check_together(steps, run)


def carry_out(
    run: Run,
    steps: Sequence[Step],
    trained: Trained,
    role: str,
    latency: Callable[[PreTrainedModel], float],
    most_loss: float,
    tell: Tell,
    folder: Path | None = None,
) -> Chain:
    """Make a trained model smaller, step by step.

    Args:
        run: with its teachers ready.
        steps: the chain.
        trained: the model before it.
        role: "student" or "control", which never asks the teacher.
        latency: milliseconds of a model's file.
        most_loss: of the metric; a step after which more of it is lost, and surely something, is refused and ends the
            chain.
        tell: says a line.
        folder: of the chain; None: its own in the run's.
    """
    folder = folder or run.folder / f"seed-{trained.seed}" / (FOLDER if role == "student" else f"{FOLDER}-{role}")
    chain = Chain([_start(run, trained, folder / START)])
    start = chain.kept[0].logits
    for number, step in enumerate(steps, start=1):
        bench = Bench(run, role, trained.seed, folder / f"{number:02d}-{step.name}", latency)
        name = f"{number} {step.text}"
        kept = finished(run, chain.state, bench.folder, [each.text for each in steps[:number]])
        if kept is None:
            # Steps write to the model that they are given.
            copied = State(**vars(chain.state) | {"model": copy.deepcopy(chain.state.model)})
            with named(step):
                applied = KINDS[step.name].apply(step, copied, bench)
            kept = measure(run, applied, name, bench.folder, start, chain.kept[-1].logits)
            keep(kept, bench.folder)
        verdict = judged(step, kept.document, most_loss, run.task.metric)
        tell(f"{role}, seed {trained.seed}: {verdict.line}")
        if verdict.refused:
            layers = blamed(run, chain.state, kept.state, step)
            line, left = f"{verdict.line}. {layers}{verdict.remedy}", [each.text for each in steps[number:]]
            chain.refused = dict(kept.document) | {"line": line, "left": left}
            undone = f" ({', '.join(left)} not done)" if left else ""
            tell(f"refused, and the chain ends before it{undone}. {layers}{verdict.remedy}")
            break
        chain.kept.append(kept)
    return chain


def _start(run: Run, trained: Trained, folder: Path) -> Kept:
    """Return the model before the first step."""
    state = State(run.student, run.reading)
    if (kept := finished(run, state, folder, [])) is not None:
        return kept
    model = copy.deepcopy(run.student)
    load_model(model, trained.weights, device=str(run.student.device))
    move(model, best_device())
    state = State(model.eval(), run.reading)
    before = trained.evaluation_logits
    kept = measure(run, Applied(state, ""), "0 before", folder, before, before)
    keep(kept, folder)
    return kept
