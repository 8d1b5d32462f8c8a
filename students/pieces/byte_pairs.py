"""Byte pair encoding: a word's bytes (or characters) are merged two by two, in the order of a list."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any


class BytePairs:
    """The pieces of RoBERTa and its kin; see `students.pieces.kind.Pieces`.

    A text is read with part of the pieces as with all of them where all the pieces that it comes to are kept with
    everything that they are merged from: each merge that was made can be made still, and none comes before it now that
    did not before.
    """

    def __init__(self, model: dict[str, Any]) -> None:
        self._model = model
        self._numbers: dict[str, int] = model["vocab"]
        self._known: dict[int, frozenset[int]] = {}

    def indispensable(self) -> set[int]:
        """Return the numbers of pieces that no merge makes: all bytes among them."""
        return {number for number in self._numbers.values() if number not in self._made}

    @cached_property
    def _made(self) -> dict[int, set[int]]:
        """By the number of a piece, those that it is merged from at once, in any of the ways that there are."""
        made: dict[int, set[int]] = {}
        for first, second in self._model["merges"]:
            result = self._numbers[self._merged(first, second)]
            made.setdefault(result, set()).update((self._numbers[first], self._numbers[second]))
        return made

    def _merged(self, first: str, second: str) -> str:
        return first + second.removeprefix(self._model["continuing_subword_prefix"] or "")

    def parts(self, number: int) -> frozenset[int]:
        """Return the numbers of all that a piece passes through, down to its bytes."""
        if number not in self._known:
            at_once = self._made.get(number, set())
            self._known[number] = frozenset(at_once).union(*(self.parts(part) for part in at_once))
        return self._known[number]

    def restricted(self, places: Mapping[int, int]) -> dict[str, Any]:
        """Return the section with some of the pieces alone, and the merges whose parts and result are among them."""
        vocabulary = {piece: places[old] for piece, old in self._numbers.items() if old in places}
        merges = [
            [first, second]
            for first, second in self._model["merges"]
            if {first, second, self._merged(first, second)} <= vocabulary.keys()
        ]
        return self._model | {"vocab": vocabulary, "merges": merges}
