"""Chooses at random, where no study does."""

from collections.abc import Callable, Sequence

from nas.dimensions import Value


class Chance:
    """Chooses any student of a space with equal chances for each value.

    Args:
        below: draws a whole number from 0 to below its argument.
    """

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        """Return any of the choices."""
        del name
        return choices[self._below(len(choices))]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return any number from low to high, in steps."""
        del name
        return low + step * self._below((high - low) // step + 1)
