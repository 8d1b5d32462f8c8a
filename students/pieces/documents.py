"""A tokenizer's own file: read, restricted to some pieces, and made a tokenizer again."""

import copy
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from pocketbert.errors import DoesNotFit
from pocketbert.files import read_json, write_json
from students.pieces import pieces_of

TOKENIZER_FILE, SETTINGS_FILE = "tokenizer.json", "tokenizer_config.json"
ESSENTIAL = ("normalizer", "pre_tokenizer", "post_processor")


def document_of(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return a tokenizer's own file.

    Raises:
        DoesNotFit: it has none, being without a fast form.
    """
    if not tokenizer.is_fast:
        raise DoesNotFit(
            f"vocabulary=…: the tokenizer {type(tokenizer).__name__} has no fast form (tokenizer.json), and only those "
            "can be trimmed: leave it out."
        )
    document: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return document


def restricted(document: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """Return a tokenizer's file with some of its pieces alone, under their new numbers."""
    places = {old: new for new, old in enumerate(kept)}
    changed = copy.deepcopy(document) | {"model": pieces_of(document).restricted(places)}
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


def with_document(tokenizer: PreTrainedTokenizerBase, document: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    """Return a tokenizer with another file of its own and the same settings.

    It is of the same class where that reads the file as it is: some build their own from parts of it.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tokenizer.save_pretrained(folder)
        (folder / TOKENIZER_FILE).write_text(json.dumps(document), encoding="utf-8")
        for old in set(folder.iterdir()) - {folder / TOKENIZER_FILE, folder / SETTINGS_FILE}:
            old.unlink()  # a loader might prefer it
        changed = _plain(AutoTokenizer.from_pretrained(folder))
        if _essence(document_of(changed)) != _essence(document):
            settings = read_json(folder / SETTINGS_FILE)
            write_json(folder / SETTINGS_FILE, settings | {"tokenizer_class": PreTrainedTokenizerFast.__name__})
            changed = _plain(AutoTokenizer.from_pretrained(folder))
    return changed


def _plain(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def _essence(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides how a text is read, with settings that are off left out as they are in some files."""
    model = {name: value for name, value in document["model"].items() if value}
    return {name: document[name] for name in ESSENTIAL} | {"model": model}
