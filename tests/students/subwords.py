"""Small real tokenizers of every kind, trained on the standard library's own source, and text to read."""

import argparse
import json
import random
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AlbertTokenizer,
    DebertaV2Tokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

PIECES = 900
_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_DEBERTA = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
_ALBERT = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
_FIRST = {"xlm-roberta": _ROBERTA[:4], "albert": _ALBERT, "deberta-v3": _DEBERTA}
_CLASSES = {"xlm-roberta": XLMRobertaTokenizer, "albert": AlbertTokenizer, "deberta-v3": DebertaV2Tokenizer}


def lines(module: ModuleType = argparse) -> list[str]:
    """The lines of a module's source."""
    return Path(str(module.__file__)).read_text(encoding="utf-8").splitlines()


def other_lines() -> list[str]:
    """Text that no tokenizer here was trained on, with characters that none has seen."""
    return [*lines(random)[:300], "naïve café ☃ Zürich", "数学 und \U0001f600"]


@cache
def _byte_pairs() -> tuple[dict[str, int], list[tuple[str, str]]]:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES, special_tokens=_ROBERTA, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(lines(), trainer)
    model = json.loads(inner.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


@cache
def _unigrams() -> list[tuple[str, float]]:
    inner = Tokenizer(models.Unigram())
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=PIECES, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
    inner.train_from_iterator(lines(), trainer)
    pieces = json.loads(inner.to_str())["model"]["vocab"]
    return [(piece, score) for piece, score in pieces if piece != "<unk>"]


KINDS = ("roberta", "xlm-roberta", "albert", "deberta-v3", "byte-fallback")


def tokenizer_of(kind: str) -> PreTrainedTokenizerBase:
    """A tokenizer of transformers' own class for a family."""
    if kind == "roberta":
        vocabulary, merges = _byte_pairs()
        return RobertaTokenizer(vocab=vocabulary, merges=merges)
    if kind == "byte-fallback":
        bytes_ = [(f"<0x{number:02X}>", -20.0) for number in range(256)]
        pieces = [("<pad>", 0.0), *_unigrams(), *bytes_, ("<unk>", 0.0)]
        inner = Tokenizer(models.Unigram(pieces, unk_id=len(pieces) - 1, byte_fallback=True))
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>")
    return _CLASSES[kind](vocab=[*((piece, 0.0) for piece in _FIRST[kind]), *_unigrams()])


def counted(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> NDArray[np.int64]:
    """How often some text has each piece."""
    numbers = [number for row in tokenizer(texts, add_special_tokens=False)["input_ids"] for number in row]
    return np.bincount(numbers, minlength=max(tokenizer.get_vocab().values()) + 1)
