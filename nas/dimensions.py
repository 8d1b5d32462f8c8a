"""One size of a student that a search may vary, and how a user writes its values."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pocketbert.errors import UserError

Value = int | str
_RANGE = re.compile(r"^(\d+)\.\.(\d+)(?:/(\d+))?$")
MOST_CHOICES = 10_000


@dataclass(frozen=True)
class Dimension:
    """A field of `StudentSpec` and the values that it may have, each once."""

    name: str
    choices: tuple[Value, ...]

    @property
    def step(self) -> int | None:
        """The distance between neighbouring values where they are evenly spaced whole numbers, else None."""
        numbers = [choice for choice in self.choices if isinstance(choice, int)]
        if len(numbers) < 2 or len(numbers) < len(self.choices):
            return None
        steps = {after - before for before, after in itertools.pairwise(numbers)}
        return steps.pop() if len(steps) == 1 and numbers[1] > numbers[0] else None


def parse_choices(name: str, given: object) -> tuple[Value, ...]:
    """Return a dimension's values from what a user wrote.

    Args:
        name: the dimension's, for messages.
        given: "2,3,4", "2..6", "96..384/24" (from 96 to 384 in steps of 24), a value, or a list of values.

    Raises:
        UserError: it is none of these, or has no value.
    """
    parts: Sequence[object] = given.split(",") if isinstance(given, str) else _listed(given)
    values = [value for part in parts for value in _values(name, part)]
    if not values:
        raise UserError(f"the space's {name} has no value: write {name}=2,3,4 or {name}=2..6.")
    if len({type(value) for value in values}) > 1:
        raise UserError(f"the space's {name} mixes numbers and words ({', '.join(map(str, values))}): take one kind.")
    return tuple(dict.fromkeys(sorted(values) if isinstance(values[0], int) else values))


def _listed(given: object) -> Sequence[object]:
    return given if isinstance(given, list | tuple) else [given]


def _values(name: str, part: object) -> list[Value]:
    if isinstance(part, int) and not isinstance(part, bool):
        return [part]
    if not isinstance(part, str) or not part.strip():
        raise UserError(f"the space's {name} has the value {part!r}: write {name}=2,3,4 or {name}=2..6.")
    text = part.strip()
    if text.isdecimal():
        return [int(text)]
    found = _RANGE.match(text)
    if found is None:
        if ".." in text:
            raise UserError(f"the space's {name}={text} is no range: write {name}=2..6 or {name}=96..384/24.")
        return [text]
    first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if step < 1 or first > last:
        raise UserError(
            f"the space's {name}={text} is empty: its first value must not be above its last, nor its step 0."
        )
    if (last - first) // step >= MOST_CHOICES:
        raise UserError(f"the space's {name}={text} has more than {MOST_CHOICES:,} values: take a larger step.")
    return list(range(first, last + 1, step))
