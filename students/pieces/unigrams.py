"""Unigram (SentencePiece): of all ways to split a text into pieces, the one whose scores sum to most."""

import re
from collections.abc import Mapping
from typing import Any

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class Unigrams:
    """The pieces of XLM-RoBERTa, ALBERT and DeBERTa-v3; see `students.pieces.kind.Pieces`.

    Scores are kept, and so a split into kept pieces, which was the best of all, is the best of those that are left.
    """

    def __init__(self, model: dict[str, Any]) -> None:
        self._model = model
        self._scored: list[tuple[str, float]] = [(piece, score) for piece, score in model["vocab"]]

    def indispensable(self) -> set[int]:
        """Return the numbers of single characters, of pieces with others, of bytes, and of what the unknown stand on.

        An unknown character scores by a fixed step less than the worst piece, which therefore stays.
        """
        single = {piece for piece, _ in self._scored if len(piece) == 1}
        needed = {n for n, (piece, _) in enumerate(self._scored) if len(piece) == 1 or not single.issuperset(piece)}
        if self._model.get("byte_fallback"):
            needed |= {n for n, (piece, _) in enumerate(self._scored) if _BYTE.fullmatch(piece)}
        worst = min(range(len(self._scored)), key=lambda n: self._scored[n][1])
        unknown = self._model["unk_id"]
        return needed | {worst} | (set() if unknown is None else {unknown})

    def parts(self, number: int) -> frozenset[int]:
        """Return none: a piece is looked up whole."""
        return frozenset()

    def restricted(self, places: Mapping[int, int]) -> dict[str, Any]:
        """Return the section with some of the pieces alone; their order is their numbers."""
        unknown = self._model["unk_id"]
        return self._model | {
            "vocab": [list(scored) for number, scored in enumerate(self._scored) if number in places],
            "unk_id": None if unknown is None else places[unknown],
        }
