"""WordPiece: a word is read as its longest beginning that is a piece, and so on with the rest."""

from collections.abc import Mapping
from typing import Any


class WordPieces:
    """The pieces of BERT, DistilBERT, ELECTRA and MobileBERT; see `students.pieces.kind.Pieces`."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._model = model
        self._numbers: dict[str, int] = model["vocab"]

    def indispensable(self) -> set[int]:
        """Return the numbers of single characters, and of pieces with characters that don't stand alone."""
        return {number for piece, number in self._numbers.items() if self._is_needed(piece)}

    def _is_needed(self, piece: str) -> bool:
        prefix: str = self._model["continuing_subword_prefix"]
        if piece == self._model["unk_token"]:
            return True
        continues = piece.startswith(prefix) and piece != prefix
        characters = piece.removeprefix(prefix) if continues else piece
        alone = [f"{prefix if continues or place else ''}{one}" for place, one in enumerate(characters)]
        return alone == [piece] or any(one not in self._numbers for one in alone)

    def parts(self, number: int) -> frozenset[int]:
        """Return none: a piece is looked up whole."""
        return frozenset()

    def restricted(self, places: Mapping[int, int]) -> dict[str, Any]:
        """Return the section with some of the pieces alone."""
        return self._model | {"vocab": {piece: places[old] for piece, old in self._numbers.items() if old in places}}
