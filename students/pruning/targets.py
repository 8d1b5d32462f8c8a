"""What is to be removed, as a user writes it: "0.5", "latency=0.4", "heads=0.5:layers=0.33:importance=magnitude"."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pocketbert.errors import UserError, unknown

DIMENSIONS = ("heads", "feed_forward", "hidden", "layers")
MEASURES = ("flops", "parameters", "latency")
"""Of the encoder; what a single share is of."""

IMPORTANCE = ("taylor", "magnitude")
CUT_BY_DEFAULT = ("heads", "feed_forward")
MOST_ROUNDS = 100
_SETTINGS = ("importance", "dimensions", "rounds")


@dataclass(frozen=True)
class Target:
    """How much of a model is removed, and how it is chosen.

    Attributes:
        measure: "flops" (of the encoder, for a text of 128 tokens), "parameters" (the encoder's), "latency" (seconds of
            the model); "" where `ratios` say it.
        share: of the measure that is removed, between 0 and 1.
        ratios: for each dimension the share that is removed; empty where `measure` says it.
        importance: "taylor" (first order, on the task's data) or "magnitude".
        dimensions: what may be cut for a measure.
        rounds: in how many steps the target is reached; the caller may train in between.
        final: whether it is the last step; one before it may be too small to remove anything.
    """

    measure: str = ""
    share: float = 0.0
    ratios: Mapping[str, float] = field(default_factory=dict)
    importance: str = IMPORTANCE[0]
    dimensions: tuple[str, ...] = CUT_BY_DEFAULT
    rounds: int = 1
    final: bool = True

    def steps(self) -> tuple["Target", ...]:
        """Return the targets of the rounds, counted from the model before the first one; the last is this target's.

        Every round removes the same share of what it finds.
        """
        ends = [step / self.rounds for step in range(1, self.rounds + 1)]
        return tuple(
            replace(
                self,
                share=_part(self.share, end),
                ratios={name: _part(ratio, end) for name, ratio in self.ratios.items()},
                rounds=1,
                final=end == 1,
            )
            for end in ends
        )


def _part(share: float, end: float) -> float:
    return share if end == 1 else float(1 - (1 - share) ** end)


def parse_target(text: str) -> Target:
    """Read a target: parts such as `flops=0.5`, `heads=0.5` or `rounds=2`, separated by colons.

    A number alone is the share of the encoder's operations that is removed.

    Raises:
        UserError: an unknown or repeated name, a share that is not between 0 and 1, nothing to remove, or both a
            measure and ratios of dimensions.
    """
    parts = _parts(text)
    settings: dict[str, Any] = {name: _SETTERS[name](text, parts.pop(name)) for name in _SETTINGS if name in parts}
    shares = {name: _share(text, name, value) for name, value in parts.items()}
    measures = [name for name in MEASURES if name in shares]
    if not shares:
        raise UserError(f"pruning target '{text}' removes nothing: give a share such as 0.5, or heads=0.5.")
    if not measures:
        if "dimensions" in settings:
            raise UserError(
                f"pruning target '{text}': dimensions is for a share of {', '.join(MEASURES)}: leave it out."
            )
        return Target(ratios=shares, **settings)
    if len(shares) > 1:
        raise UserError(f"pruning target '{text}' says {' and '.join(shares)}: give one measure, or ratios alone.")
    return Target(measure=measures[0], share=shares[measures[0]], **settings)


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(":"):
        name, equals, value = (x.strip() for x in part.partition("="))
        if not equals:
            name, value = "flops", name
        if name not in (*MEASURES, *DIMENSIONS, *_SETTINGS):
            raise unknown("part of a pruning target", name, (*MEASURES, *DIMENSIONS, *_SETTINGS))
        if name in parts:
            raise UserError(f"pruning target '{text}' says {name} twice: say it once.")
        parts[name] = value
    return parts


def _share(text: str, name: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise UserError(
            f"pruning target '{text}': {name}={value} must be a number between 0 and 1, the share that is removed."
        )
    return share


def _importance(text: str, value: str) -> str:
    if value not in IMPORTANCE:
        raise unknown(f"importance in pruning target '{text}'", value, IMPORTANCE)
    return value


def _dimensions(text: str, value: str) -> tuple[str, ...]:
    names = [name.strip() for name in value.split("+")]
    for name in names:
        if name not in DIMENSIONS:
            raise unknown(f"dimension in pruning target '{text}'", name, DIMENSIONS)
    return tuple(name for name in DIMENSIONS if name in names)


def _rounds(text: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value) <= MOST_ROUNDS:
        raise UserError(f"pruning target '{text}': rounds={value} must be a whole number from 1 to {MOST_ROUNDS}.")
    return int(value)


_SETTERS = {"importance": _importance, "dimensions": _dimensions, "rounds": _rounds}
