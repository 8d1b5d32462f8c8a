"""The words of a text that may be replaced, and the words that may replace them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from distill.masking import vocabulary_of

APOSTROPHES = ("'", "’")


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Attributes:
        text: its characters.
        start, end: where it stands in the text.
        place: of its first token in the text's ids.
        pieces: its token ids.
    """

    text: str
    start: int
    end: int
    place: int
    pieces: tuple[int, ...]


@dataclass(frozen=True)
class Tokenised:
    """A text's token ids (special ones included) and its words that have a letter and are no part of a contraction."""

    ids: tuple[int, ...]
    words: tuple[Word, ...]


def find_words(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, length: int) -> list[Tokenised]:
    """Tokenise texts and find their words, as the tokenizer tells them apart.

    Args:
        texts: one or more.
        tokenizer: a fast tokenizer.
        length: tokens kept of a text; words behind them are not found.
    """
    encoded = tokenizer(list(texts), truncation=True, max_length=length, return_offsets_mapping=True)
    return [
        Tokenised(tuple(ids), _words(text, encoded.word_ids(number), offsets, ids))
        for number, (text, ids, offsets) in enumerate(
            zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        )
    ]


def _words(
    text: str, numbers: Sequence[int | None], offsets: Sequence[tuple[int, int]], ids: Sequence[int]
) -> tuple[Word, ...]:
    places: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        if number is not None:
            places.setdefault(number, []).append(place)
    words = []
    for tokens in places.values():
        start, end = offsets[tokens[0]][0], offsets[tokens[-1]][1]
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if any(character.isalpha() for character in text[start:end]) and not _is_contracted(text, start, end):
            words.append(Word(text[start:end], start, end, tokens[0], tuple(ids[place] for place in tokens)))
    return tuple(words)


def _is_contracted(text: str, start: int, end: int) -> bool:
    """Tell whether a word is what follows an apostrophe, or the front of a negation such as isn't."""
    return text[max(0, start - 1) : start] in APOSTROPHES or (
        text[end : end + 1] in APOSTROPHES and text[end + 1 : end + 2].lower() == "t"
    )


@dataclass(frozen=True)
class Replacements:
    """The words of one piece that a tokenizer has: their ids [W], and how each is written."""

    ids: Tensor
    words: tuple[str, ...]


def replacements_of(tokenizer: PreTrainedTokenizerBase) -> Replacements:
    """Return a tokenizer's pieces that are whole words of letters.

    Raises:
        DoesNotFit: it has no mask token.
    """
    vocabulary = vocabulary_of(tokenizer)
    special = set(vocabulary.special)
    begins = [number for number in (~vocabulary.continues).nonzero()[:, 0].tolist() if number not in special]
    written = [str(tokenizer.decode([number])).strip() for number in begins]
    kept = [(number, word) for number, word in zip(begins, written, strict=True) if word.isalpha()]
    return Replacements(torch.tensor([number for number, _ in kept]), tuple(word for _, word in kept))


def differing(candidates: Sequence[str], word: str, count: int) -> tuple[str, ...]:
    """Return the first `count` candidates that are not the word itself, with a capital where it has one."""
    others = [candidate for candidate in candidates if candidate.lower() != word.lower()][:count]
    return tuple(other[0].upper() + other[1:] if word[0].isupper() else other for other in others)
