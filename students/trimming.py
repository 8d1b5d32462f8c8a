"""A trained model and its tokenizer, rewritten together for the pieces that a task's text uses.

Nothing is trained: on text that is read in kept pieces the model answers as before. Other text is read in smaller
pieces; `changes` says how much of it there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert.errors import DoesNotFit
from students.vocabulary import Trimmed, reading, trim


@dataclass(frozen=True)
class TrimmedModel:
    """A model that reads part of its vocabulary.

    Attributes:
        model: in evaluation mode; a language head answers with the kept pieces alone.
        tokenizer: that knows these alone.
        kept: their numbers in the whole vocabulary, ascending; the place in here is the new number.
        note: one line on what was saved.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    kept: tuple[int, ...]
    note: str


@dataclass(frozen=True)
class Changes:
    """How much of some text is read in other pieces than before.

    Attributes:
        tokens: share of the tokens that are not read as the same piece of the same characters any more.
        texts: share of the texts that have such a token.
    """

    tokens: float
    texts: float


def trim_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    counts: NDArray[np.integer[Any]],
    size: int | None = None,
) -> TrimmedModel:
    """Trim a trained model to the pieces that a text uses.

    Args:
        model: of any family and head, a masked language head included; it is left as it is.
        tokenizer: its own.
        counts: how often the text has each piece, [largest number + 1].
        size: pieces to keep, the most used; None: all that the text uses, and those that no text can do without.

    Raises:
        DoesNotFit: a size or a kind of tokenizer that can't be (`students.vocabulary.check_size`), or the model has
            fewer rows than the tokenizer has pieces.
    """
    table: Any = model.get_input_embeddings()
    rows = len(table.weight)
    if max(tokenizer.get_vocab().values()) >= rows:
        raise DoesNotFit(
            f"the tokenizer has {len(tokenizer):,} pieces and the model rows for {rows:,} only: take the model's own."
        )
    trimmed = trim(tokenizer, counts, size)
    smaller = reading(model, trimmed.kept)
    before, after = (sum(weight.nbytes for weight in each.parameters()) / 1e6 for each in (model, smaller))
    note = f"vocabulary: {len(trimmed.kept):,} of {rows:,} pieces, weights of {after:.1f} MB instead of {before:.1f}"
    return TrimmedModel(smaller, trimmed.tokenizer, trimmed.kept, note)


def changes(tokenizer: PreTrainedTokenizerBase, trimmed: Trimmed | TrimmedModel, texts: Sequence[str]) -> Changes:
    """Return how much of some text, best held out, a trimmed vocabulary reads in other pieces than the whole one."""
    old, new = (_places(each, texts) for each in (tokenizer, trimmed.tokenizer))
    lost = [
        len(before - {(trimmed.kept[number], *place) for number, *place in after})
        for before, after in zip(old, new, strict=True)
    ]
    return Changes(sum(lost) / max(1, sum(map(len, old))), sum(map(bool, lost)) / max(1, len(texts)))


def _places(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[set[tuple[int, int, int, int]]]:
    """Return of each text its tokens: number, first and last character, and which of those at the same place it is."""
    if not texts:  # which the library can't read
        return []
    read = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    result = []
    for numbers, offsets in zip(read["input_ids"], read["offset_mapping"], strict=True):
        seen: dict[tuple[int, int, int], int] = {}
        tokens = set()
        for number, (start, end) in zip(numbers, offsets, strict=True):
            seen[number, start, end] = seen.get((number, start, end), -1) + 1
            tokens.add((number, start, end, seen[number, start, end]))
        result.append(tokens)
    return result
