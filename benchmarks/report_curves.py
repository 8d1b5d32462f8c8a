"""A small picture for each loss of each stage, the control's curve beside the student's."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from benchmarks.report_facts import Record, number, records
from benchmarks.report_plots import Curve, loss_panel

_NOT_LOSSES = frozenset({"stage", "step", "epoch", "learning_rate", "grad_norm", "seconds"})
_TOTAL = "loss"


@dataclass(frozen=True)
class Panel:
    """One loss of one stage.

    Attributes:
        stage: the stage's name.
        objective: the loss's name as the page shows it; the weighted sum is "total".
        picture: its SVG.
    """

    stage: str
    objective: str
    picture: Markup


def panels(run: Record) -> list[Panel]:
    """Return a panel for each stage and loss of the run's history, in their order, a stage's total first."""
    return [
        Panel(stage, _title(loss), loss_panel(curves, f"{_title(loss)} over the steps of the stage {stage}"))
        for stage, loss in _names(run)
        if (curves := list(_curves(run, stage, loss)))
    ]


def _title(loss: str) -> str:
    return "total" if loss == _TOTAL else loss.replace("_", " ")


def _names(run: Record) -> list[tuple[str, str]]:
    stages: dict[str, dict[str, None]] = {}
    for seed in records(run, "seeds"):
        for entry in [*records(seed, "history"), *records(seed, "control_history")]:
            losses = stages.setdefault(str(entry.get("stage") or "training"), {_TOTAL: None})
            losses.update((key, None) for key in entry if key not in _NOT_LOSSES)
    # With one objective the total is that objective again.
    return [(stage, loss) for stage, losses in stages.items() for loss in losses if loss != _TOTAL or len(losses) != 2]


def _curves(run: Record, stage: str, loss: str) -> Iterator[Curve]:
    for history, role in (("history", "student"), ("control_history", "control")):
        for seed in records(run, "seeds"):
            pairs = [
                (number(entry, "step"), number(entry, loss))
                for entry in records(seed, history)
                if str(entry.get("stage") or "training") == stage
            ]
            known = [(step, value) for step, value in pairs if step is not None and value is not None]
            if known:
                yield Curve(role, [step for step, _ in known], [value for _, value in known])
