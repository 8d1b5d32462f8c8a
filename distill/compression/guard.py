"""Stops a chain before a model that loses too much, and surely loses something; says what would help."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distill.compression.plan import FACTORISE, PRUNE, QAT, TRIM, Step

REMEDIES = {
    TRIM: "Give it more pieces (trim alone keeps all that the training text uses), or train it (trim:steps=500).",
    PRUNE: "Prune less, in rounds (rounds=3), or distil back for longer (more steps=).",
    FACTORISE: "Take a wider table, or distil back for longer (more steps=).",
    QAT: "Train for longer (more steps=), or take int8, whose ranges are each text's own.",
    "int8-static": "Take int8, whose ranges are each text's own, or qat, which learns them.",
    "int8": "Take int8-full, or qat, which trains with the rounding.",
    "int8-full": "Take qat, which trains with the rounding.",
    "int8-tables4": "Take int8, whose word table has 8 bits.",
    "mixed": "Give it more bits, or take int8.",
    "int4": "Take int8, or int8-tables4, whose products have 7 bits.",
}


@dataclass(frozen=True)
class Verdict:
    """What is said of a step.

    Attributes:
        refused: whether its model loses more than the limit, and surely loses something.
        line: what has changed.
        remedy: what would help.
    """

    refused: bool
    line: str
    remedy: str


def judged(step: Step, document: Mapping[str, Any], most_loss: float, metric: str) -> Verdict:
    """Judge a step by what is lost since the chain began.

    Args:
        step: that was carried out.
        document: what was measured after it.
        most_loss: of the metric.
        metric: its name.
    """
    change, quality = document["minus_start"], document["quality"]
    over = -change["difference"] > most_loss
    refused = over and change["high"] < 0
    line = (
        f"{step.text}: {document['note']}; {document['bytes'] / 1e6:.1f} MB, {metric} {quality['value']:.4f}, "
        f"{change['difference']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}] since the chain began"
    )
    if over:
        line += f", over --max-loss {most_loss:g}" + ("" if refused else ", but the rows are too few to tell")
    return Verdict(refused, line, REMEDIES[step.name])
