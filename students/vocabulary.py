"""A vocabulary trimmed to the pieces that a task's text uses most, and models that read it.

What stays is a tokenizer of its own: rare words come in smaller pieces. Special tokens and every single character (or
byte) stay, and pieces of characters that don't stand alone, so that hardly any text becomes unknown; none does where
all characters stand alone, as in BERT's vocabularies. A text that the whole vocabulary reads in kept pieces alone is
read in the same ones.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert.errors import DoesNotFit
from pocketbert.reshaping import new_model
from students.pieces import Pieces, pieces_of
from students.pieces.documents import document_of, restricted, with_document


@dataclass(frozen=True)
class Trimmed:
    """Some of a vocabulary's pieces.

    Attributes:
        kept: their numbers in the whole vocabulary, ascending; the place in here is the new number.
        tokenizer: that knows these alone.
    """

    kept: tuple[int, ...]
    tokenizer: PreTrainedTokenizerBase


def smallest_vocabulary(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the number of pieces that a trimmed vocabulary can't do without.

    Raises:
        DoesNotFit: the tokenizer can't be trimmed.
    """
    return len(_indispensable(tokenizer, pieces_of(document_of(tokenizer))))


def check_size(tokenizer: PreTrainedTokenizerBase, size: int) -> None:
    """Check that a vocabulary can be trimmed to so many pieces.

    Raises:
        DoesNotFit: another kind of tokenizer, more pieces than it has, or fewer than it can't do without.
    """
    needed, whole = smallest_vocabulary(tokenizer), len(tokenizer)
    if size > whole:
        raise DoesNotFit(f"vocabulary={size}: the tokenizer has {whole:,} pieces: take fewer, or leave it out for all.")
    if size < needed:
        raise DoesNotFit(
            f"vocabulary={size}: special tokens and single characters (or bytes) alone, without which not every text "
            f"can be read, are {needed:,}: take at least so many."
        )


def trim(tokenizer: PreTrainedTokenizerBase, counts: NDArray[np.integer[Any]], size: int | None) -> Trimmed:
    """Trim a vocabulary to its most used pieces, those that it can't do without, and what these are put together from.

    Args:
        tokenizer: a fast one, of a kind that `students.pieces` knows.
        counts: how often the text has each piece, [largest number + 1].
        size: pieces to keep; of those that are used equally often the first ones. None: those that are used at all.

    Raises:
        DoesNotFit: see `check_size`.
    """
    if size is not None:
        check_size(tokenizer, size)
    document, numbers = document_of(tokenizer), np.array(sorted(tokenizer.get_vocab().values()))
    pieces = pieces_of(document)
    needed = _indispensable(tokenizer, pieces)
    often = np.zeros(numbers[-1] + 1, np.int64)
    often[: len(counts)] = counts[: len(often)]
    rank: list[int] = numbers[np.lexsort((numbers, -often[numbers]))].tolist()
    if size is None:
        used = needed.union(np.flatnonzero(often).tolist())
        chosen = used.union(*(pieces.parts(number) for number in used))
    else:
        chosen = _chosen(pieces, needed, rank, size)
    kept = tuple(sorted(chosen))
    return Trimmed(kept, with_document(tokenizer, restricted(document, kept)))


def reading(model: PreTrainedModel, kept: Sequence[int]) -> PreTrainedModel:
    """Return a copy of a model, of any head, that reads a trimmed vocabulary.

    Args:
        model: of the whole vocabulary.
        kept: as `Trimmed` has it.
    """
    config, places = copy.deepcopy(model.config), {old: new for new, old in enumerate(kept)}
    config.vocab_size = len(kept)
    for name, number in model.config.to_dict().items():
        if name.endswith("_token_id") and number in places:
            setattr(config, name, places[number])
    trimmed = new_model(type(model), config)
    trimmed.eval()
    take_over(trimmed, model, kept)
    return trimmed


@torch.no_grad()
def take_over(trimmed: PreTrainedModel, model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Write a model's weights to the copy of it that `reading` made, which may be of an earlier state."""
    state: dict[str, torch.Tensor] = dict(model.state_dict())
    trimmed.load_state_dict(state | {name: state[name][list(kept)] for name in _with_a_row_a_piece(model)})


def _with_a_row_a_piece(model: PreTrainedModel) -> list[str]:
    """Return the names of the word embeddings, and of a language head's weight and bias, under all that they have."""
    head: Any = model.get_output_embeddings()
    rows = [model.get_input_embeddings().weight, *([] if head is None else head.parameters())]
    whole = {id(parameter) for parameter in rows}
    return [name for name, weight in model.named_parameters(remove_duplicate=False) if id(weight) in whole]


def _indispensable(tokenizer: PreTrainedTokenizerBase, pieces: Pieces) -> set[int]:
    """Return the numbers of special tokens and of the pieces that this kind of vocabulary can't do without.

    Padding keeps its number, and so all before it: roberta's kin count positions from there.
    """
    added = set(tokenizer.get_added_vocab().values())
    padding = -1 if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    first = {number for number in tokenizer.get_vocab().values() if number <= padding}
    needed = added | first | pieces.indispensable()
    return needed.union(*(pieces.parts(number) for number in needed))


def _chosen(pieces: Pieces, needed: set[int], rank: Sequence[int], size: int) -> set[int]:
    """Return as many numbers as asked for: the needed, then by rank, each with all that it is put together from.

    A piece that comes with too many others waits; whole vocabularies are not short of those that come alone.
    """
    kept, waiting = set(needed), [number for number in rank if number not in needed]
    while len(kept) < size:
        for number in waiting:
            new = ({number} | pieces.parts(number)) - kept
            if len(kept) + len(new) <= size:
                kept |= new
        waiting = [number for number in waiting if number not in kept]
    return kept
