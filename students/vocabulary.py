"""A vocabulary trimmed to the pieces that a task's text uses most, and models that read it.

What stays is a tokenizer of its own: rare words come in smaller pieces. Special tokens and every single character stay,
and pieces of characters that don't stand alone, so that hardly any text becomes unknown; none does where all characters
stand alone, as in BERT's vocabularies.
"""

import copy
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from pocketbert.errors import DoesNotFit

WORDPIECE = "WordPiece"
_TOKENIZER_FILE = "tokenizer.json"


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
    return len(_indispensable(_document(tokenizer), tokenizer.pad_token_id))


def check_size(tokenizer: PreTrainedTokenizerBase, size: int) -> None:
    """Check that a vocabulary can be trimmed to so many pieces.

    Raises:
        DoesNotFit: another kind of tokenizer, more pieces than it has, or fewer than it can't do without.
    """
    needed, whole = smallest_vocabulary(tokenizer), len(tokenizer)
    if size > whole:
        raise DoesNotFit(f"vocabulary={size}: the teacher has {whole:,} pieces: take fewer, or leave it out for all.")
    if size < needed:
        raise DoesNotFit(
            f"vocabulary={size}: special tokens and single characters alone, without which not every text can be read, "
            f"are {needed:,}: take at least so many."
        )


def trim(tokenizer: PreTrainedTokenizerBase, counts: NDArray[np.integer[Any]], size: int) -> Trimmed:
    """Trim a vocabulary to its most used pieces.

    Args:
        tokenizer: a fast WordPiece one.
        counts: how often the text has each piece, [largest number + 1].
        size: pieces to keep; of those that are used equally often the first ones.

    Raises:
        DoesNotFit: see `check_size`.
    """
    check_size(tokenizer, size)
    document, numbers = _document(tokenizer), np.array(sorted(tokenizer.get_vocab().values()))
    needed = list(_indispensable(document, tokenizer.pad_token_id))
    rank = np.lexsort((numbers, -counts[numbers], ~np.isin(numbers, needed)))
    kept = tuple(sorted(numbers[rank[:size]].tolist()))
    return Trimmed(kept, _with_document(tokenizer, _restricted(document, kept)))


def reading(model: PreTrainedModel, kept: Sequence[int]) -> PreTrainedModel:
    """Return a copy of a sequence classifier that reads a trimmed vocabulary.

    Args:
        model: of the whole vocabulary.
        kept: as `Trimmed` has it.
    """
    config, places = copy.deepcopy(model.config), {old: new for new, old in enumerate(kept)}
    config.vocab_size = len(kept)
    for name, number in model.config.to_dict().items():
        if name.endswith("_token_id") and number in places:
            setattr(config, name, places[number])
    trimmed: PreTrainedModel = type(model)(config).eval()
    take_over(trimmed, model, kept)
    return trimmed


@torch.no_grad()
def take_over(trimmed: PreTrainedModel, model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Write a model's weights to the copy of it that `reading` made, which may be of an earlier state."""
    table = model.get_parameter(_table_name(model))
    state: dict[str, torch.Tensor] = dict(model.state_dict())
    trimmed.load_state_dict(state | {_table_name(model): table[list(kept)]})


def _table_name(model: PreTrainedModel) -> str:
    table = model.get_input_embeddings().weight
    return next(name for name, weight in model.named_parameters() if weight is table)


def _document(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return a tokenizer's own file, once it is of the kind that can be trimmed."""
    document: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = document["model"]["type"]
    if kind != WORDPIECE:
        raise DoesNotFit(
            f"vocabulary=…: the teacher's tokenizer is of the kind {kind}, and only {WORDPIECE} ones (of BERT, "
            "DistilBERT, ELECTRA, MobileBERT) can be trimmed: leave it out."
        )
    return document


def _indispensable(document: Mapping[str, Any], padding: int) -> set[int]:
    """Return the numbers of special tokens, single characters, and pieces of characters that don't stand alone.

    Padding keeps its number, and so all before it: roberta's kin count positions from there.
    """
    vocabulary: dict[str, int] = document["model"]["vocab"]
    prefix: str = document["model"]["continuing_subword_prefix"]

    def needed(piece: str) -> bool:
        if piece == document["model"]["unk_token"]:
            return True
        continues = piece.startswith(prefix) and piece != prefix
        characters = piece.removeprefix(prefix) if continues else piece
        alone = [f"{prefix if continues or place else ''}{one}" for place, one in enumerate(characters)]
        return alone == [piece] or any(one not in vocabulary for one in alone)

    added = {token["id"] for token in document["added_tokens"]}
    return added | {n for piece, n in vocabulary.items() if n <= padding or needed(piece)}


def _restricted(document: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """Return a tokenizer's file with some of its pieces alone, under their new numbers."""
    places = {old: new for new, old in enumerate(kept)}
    changed = copy.deepcopy(document)
    vocabulary = document["model"]["vocab"]
    changed["model"]["vocab"] = {piece: places[old] for piece, old in vocabulary.items() if old in places}
    for token in changed["added_tokens"]:
        token["id"] = places[token["id"]]
    _renumber(changed["post_processor"] or {}, places)
    return changed


def _renumber(closing: dict[str, Any], places: Mapping[int, int]) -> None:
    """Give the tokens that a tokenizer puts around a text their new numbers, in place."""
    for inner in closing.get("processors") or ():
        _renumber(inner, places)
    for token in (closing.get("special_tokens") or {}).values():
        token["ids"] = [places[old] for old in token["ids"]]
    for name in ("sep", "cls"):  # of the kinds that have a pair of text and number instead
        if name in closing:
            closing[name] = [closing[name][0], places[closing[name][1]]]


def _with_document(tokenizer: PreTrainedTokenizerBase, document: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        (Path(folder) / _TOKENIZER_FILE).write_text(json.dumps(document), encoding="utf-8")
        for old in Path(folder).glob("vocab.*"):  # of other files a loader might prefer
            old.unlink()
        trimmed: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    trimmed.backend_tokenizer.no_truncation()
    trimmed.backend_tokenizer.no_padding()
    return trimmed
