"""Copies of a text with some of its words replaced: TinyBERT's Algorithm 1, lines 4 to 20."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Replaceable:
    """Where a word stands in its text, and what may stand there instead."""

    start: int
    end: int
    candidates: tuple[str, ...]


def draw_copies(
    text: str, words: Sequence[Replaceable], copies: int, probability: float, generator: np.random.Generator
) -> list[str]:
    """Return copies of a text in each of which every word is replaced with a probability.

    Args:
        text: one text.
        words: in the order of the text.
        copies: to draw.
        probability: of each word, apart from the others.
        generator: of the draws; all of them are made for any words, so equal seeds draw equal copies.
    """
    replaced = generator.random((copies, len(words))) <= probability
    chosen = generator.random((copies, len(words)))
    return [_copy(text, words, replaced[number], chosen[number]) for number in range(copies)]


def _copy(text: str, words: Sequence[Replaceable], replaced: np.ndarray, chosen: np.ndarray) -> str:
    parts, done = [], 0
    for word, changes, lot in zip(words, replaced, chosen, strict=True):
        if changes and word.candidates:
            parts += [text[done : word.start], word.candidates[int(lot * len(word.candidates))]]
            done = word.end
    return "".join([*parts, text[done:]])
