"""What every kind of vocabulary says of its pieces."""

from collections.abc import Mapping
from typing import Any, Protocol


class Pieces(Protocol):
    """The pieces in the `model` section of a tokenizer's file; a piece's number is its row in the model's table."""

    def indispensable(self) -> set[int]:
        """Return the numbers of those without which some text could not be read any more."""
        ...

    def parts(self, number: int) -> frozenset[int]:
        """Return the numbers of those that a piece is put together from, one after the other, when text is read."""
        ...

    def restricted(self, places: Mapping[int, int]) -> dict[str, Any]:
        """Return the section with some of the pieces alone.

        Args:
            places: the new number of each that stays, by its old one; in the same order.
        """
        ...
