import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from distill.data.encoding import PaddingCollator, encode


@pytest.fixture
def tokenizer():
    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "b", "c"]
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = Whitespace()
    inner.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", model_input_names=["input_ids", "attention_mask", "token_type_ids"]
    )


def test_single_sentences(tokenizer):
    rows = encode(Dataset.from_dict({"text": ["a b", "c"], "label": [0, 1]}), tokenizer, 16)
    assert rows["input_ids"][:] == [[1, 4, 5, 2], [1, 6, 2]]
    assert rows["labels"][:] == [0, 1]
    assert rows["length"][:] == [4, 3]


def test_pairs_get_token_types(tokenizer):
    rows = encode(Dataset.from_dict({"text": ["a"], "text_pair": ["b c"]}), tokenizer, 16)
    assert rows["input_ids"][0] == [1, 4, 2, 5, 6, 2]
    assert rows["token_type_ids"][0] == [0, 0, 0, 1, 1, 1]


def test_long_rows_are_cut(tokenizer):
    rows = encode(Dataset.from_dict({"text": ["a b c " * 20]}), tokenizer, 8)
    assert rows["length"][:] == [8]


def test_padding_by_hand():
    batch = PaddingCollator(9)(
        [
            {"input_ids": [1, 2], "attention_mask": [1, 1], "labels": 1, "teacher_logits": [0.5, -0.5]},
            {"input_ids": [3], "attention_mask": [1], "labels": 0, "teacher_logits": [1.0, 2.0]},
        ]
    )
    assert batch["input_ids"].tolist() == [[1, 2], [3, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch["labels"].tolist() == [1, 0]
    assert torch.equal(batch["teacher_logits"], torch.tensor([[0.5, -0.5], [1.0, 2.0]]))


def test_lengths_are_rounded_up():
    batch = PaddingCollator(0, multiple_of=8)([{"input_ids": [1] * 9, "attention_mask": [1] * 9}])
    assert batch["input_ids"].shape == (1, 16)
