"""The pieces of a tokenizer's vocabulary, kind by kind: which it can't do without, and which stand on others."""

from collections.abc import Callable
from typing import Any

from pocketbert.errors import DoesNotFit
from students.pieces.byte_pairs import BytePairs
from students.pieces.kind import Pieces
from students.pieces.unigrams import Unigrams
from students.pieces.word_pieces import WordPieces

__all__ = ["KINDS", "Pieces", "pieces_of"]

KINDS: dict[str, Callable[[dict[str, Any]], Pieces]] = {"WordPiece": WordPieces, "BPE": BytePairs, "Unigram": Unigrams}
"""By the name that a tokenizer's file has for its model."""


def pieces_of(document: dict[str, Any]) -> Pieces:
    """Return the pieces of a tokenizer's file.

    Raises:
        DoesNotFit: it is of a kind that can't be trimmed.
    """
    kind = document["model"]["type"]
    if kind not in KINDS:
        raise DoesNotFit(
            f"vocabulary=…: the teacher's tokenizer is of the kind {kind}, and only WordPiece (BERT, ELECTRA), BPE "
            "(RoBERTa) and Unigram ones (XLM-RoBERTa, ALBERT, DeBERTa-v3) can be trimmed: leave it out."
        )
    return KINDS[kind](document["model"])
