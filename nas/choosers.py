"""Choosers of students beside Optuna's trials: chance, and one that knows what it wants."""

from collections.abc import Callable, Sequence
from typing import Any

from nas.dimensions import Value
from students.architecture import StudentSpec


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


class Asked:
    """Chooses one student, and writes down what Optuna is to be told.

    Args:
        spec: the student.
        conditional: what follows the field in the name of a parameter that depends on others.

    Attributes:
        chosen: values by parameters.
    """

    def __init__(self, spec: StudentSpec, conditional: str) -> None:
        self._spec, self._conditional = spec, conditional
        self.chosen: dict[str, Value] = {}

    def suggest_categorical(self, name: str, choices: Any) -> Any:  # noqa: ANN401  (as Optuna types it)
        """Return the student's value."""
        del choices
        return self._value(name)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return the student's value."""
        del low, high, step
        return int(self._value(name))

    def _value(self, name: str) -> Value:
        field = name.partition(self._conditional)[0].rpartition(": ")[2]
        self.chosen[name] = getattr(self._spec, field)
        return self.chosen[name]
