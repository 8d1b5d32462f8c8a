"""A small real WordPiece tokenizer, and teachers that read it."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import BertProcessing, TemplateProcessing
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPECIAL = ["[PAD]", "unused0", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMES = ["input_ids", "attention_mask", "token_type_ids"]


def wordpieces(words: list[str], *, pair: bool = False) -> PreTrainedTokenizerBase:
    """A tokenizer of some words and all letters; its closing tokens are a template, or the older pair."""
    alphabet = [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    pieces = [*SPECIAL, *(word for word in words if word not in alphabet), *alphabet]
    inner = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    inner.pre_tokenizer = Whitespace()
    closing = [("[CLS]", pieces.index("[CLS]")), ("[SEP]", pieces.index("[SEP]"))]
    template = TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=closing)
    inner.post_processor = BertProcessing(closing[1], closing[0]) if pair else template
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_input_names=NAMES,
    )  # fmt: skip


def save_teacher(folder: Path, encoder: torch.nn.Module, words: list[str]) -> None:
    """Write an encoder with such a tokenizer as a teacher's folder."""
    encoder.save_pretrained(folder)
    wordpieces(words).save_pretrained(folder)
