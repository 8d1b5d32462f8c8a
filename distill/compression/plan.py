"""What `--compress` asks for: steps in an order that makes sense."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pocketbert.errors import UserError, unknown
from students.pruning.targets import parse_target

TRIM, PRUNE, FACTORISE, QAT, MIXED = "trim", "prune", "factorise", "qat", "mixed"
PRECISIONS = ("int8", "int8-full", "int8-static", "int8-tables4", "int4", MIXED)
"""Of files; the model itself stays as it is."""

QUANTISING = (QAT, *PRECISIONS)
STEPS = (TRIM, PRUNE, FACTORISE, *QUANTISING)
ONCE = (TRIM, FACTORISE)
TRAINED = (TRIM, PRUNE, FACTORISE, QAT)
"""Steps after which, or in which, the model is trained; after trimming only where the user says how."""

BY_TEACHER, BY_LABELS, NOT_AT_ALL = "teacher", "labels", "none"
RECOVERIES = (BY_TEACHER, BY_LABELS, NOT_AT_ALL)
THE_TEACHER = "teacher"
"""The name of the student that is its teacher: what it is made smaller from."""

EXAMPLE = "--compress trim,prune:0.5,qat"


@dataclass(frozen=True)
class Recovery:
    """How a model is trained in a step.

    Attributes:
        by: whose answers it learns from.
        steps: optimizer steps; None: as many as the recipe's.
        rate: learning rate; None: the recipe's.
    """

    by: str = BY_TEACHER
    steps: int | None = None
    rate: float | None = None


@dataclass(frozen=True)
class Step:
    """One step of a chain.

    Attributes:
        name: of `STEPS`.
        text: as the user wrote it.
        settings: what follows the name, without what is said about training.
        recovery: how the model is trained.
    """

    name: str
    text: str
    settings: str = ""
    recovery: Recovery = field(default_factory=Recovery)

    @property
    def trains(self) -> bool:
        """Whether the model is trained in it."""
        return self.name in TRAINED and self.recovery.by != NOT_AT_ALL


def with_student(student: str, chain: str | None) -> tuple[str, str | None]:
    """Return the student and the chain that are meant: `--student prune:0.5` is its teacher, pruned.

    Raises:
        UserError: the student is its teacher, and nothing makes it smaller.
    """
    if student.startswith(f"{PRUNE}:"):
        return THE_TEACHER, student if chain is None else f"{student},{chain}"
    if student == THE_TEACHER and not chain:
        raise UserError(f"--student {THE_TEACHER}: say how it is made smaller, such as {EXAMPLE}.")
    return student, chain


def parse_chain(text: str) -> tuple[Step, ...]:
    """Read a chain such as `trim,prune:0.5:rounds=2,qat`.

    Raises:
        UserError: an unknown step, one that can't follow another, or a setting that no step has.
    """
    steps = tuple(_step(part.strip(), text) for part in text.split(","))
    _check_order(steps, text)
    return steps


def _step(text: str, chain: str) -> Step:
    name, _, rest = text.partition(":")
    if not name:
        raise UserError(f"--compress {chain!r}: a step is missing; write it like {EXAMPLE}.")
    if name not in STEPS:
        raise unknown("compression step", name, STEPS)
    recovery, settings = _recovery([part for part in rest.split(":") if part], text, usual=name != TRIM)
    if name not in TRAINED and recovery != Recovery():
        raise UserError(f"compression step '{text}' trains nothing: leave recover, steps and rate out.")
    if name == QAT and recovery.by == NOT_AT_ALL:
        raise UserError(f"compression step '{text}': it is a training; without one take int8-static.")
    if name == PRUNE and settings:
        parse_target(":".join(settings))  # as early as the rest
    return Step(name, text, ":".join(settings), recovery)


def _recovery(parts: Sequence[str], text: str, *, usual: bool) -> tuple[Recovery, list[str]]:
    """Return what is said about training, and all that is not; `usual` steps are trained where nothing is said."""
    found, rest = {}, []
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key not in {"recover", "steps", "rate"}:
            rest.append(part)
        elif key in found:
            raise UserError(f"compression step '{text}' says {key} twice: say it once.")
        else:
            found[key] = value
    if found.get("recover") == NOT_AT_ALL and len(found) > 1:
        raise UserError(f"compression step '{text}': without a training it has no steps and no rate: leave them out.")
    by = found.get("recover", BY_TEACHER if found or usual else NOT_AT_ALL)
    if by not in RECOVERIES:
        raise unknown(f"recovery in '{text}'", by, RECOVERIES)
    steps = None if "steps" not in found else int(_number(found["steps"], "steps", text, whole=True))
    rate = None if "rate" not in found else _number(found["rate"], "rate", text, whole=False)
    if rate is not None and rate > 1:
        raise UserError(f"compression step '{text}': rate={found['rate']} is a learning rate, such as 3e-4: at most 1.")
    return Recovery(by, steps, rate), rest


def _number(value: str, key: str, text: str, *, whole: bool) -> float:
    try:
        number = float(int(value) if whole else value)
    except ValueError:
        number = 0.0
    if not 0 < number < 10**9:
        raise UserError(
            f"compression step '{text}': {key}={value} must be a {'whole ' if whole else ''}number above 0."
        )
    return number


def _check_order(steps: Sequence[Step], chain: str) -> None:
    names = [step.name for step in steps]
    for name in ONCE:
        if names.count(name) > 1:
            raise UserError(f"--compress {chain}: {name} is there twice; once is all it does.")
    for before, after in pairwise(names):
        if before in QUANTISING:
            if after in QUANTISING:
                raise UserError(f"--compress {chain}: {before} and {after} both quantise: leave one of them out.")
            raise UserError(
                f"--compress {chain}: {after} can't follow {before} (a quantised model can't be changed by {after}): "
                f"put {before} last."
            )
