"""A small teacher and data made here, for the tests of the whole command."""

import random

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tests.conftest import tiny_bert

GOOD, BAD = ["fine", "great", "lovely", "superb"], ["awful", "dull", "poor", "weak"]
NEUTRAL = [f"word{i}" for i in range(60)]


def _sentence(draw, label):
    words = draw.choices(NEUTRAL, k=draw.randint(2, 9))
    words.insert(draw.randint(0, len(words)), draw.choice(GOOD if label else BAD))
    return " ".join(words)


@pytest.fixture(scope="module")
def files(tmp_path_factory, request):
    """A folder with a 4-layer teacher without a head, a classification task, a regression task and pairs."""
    root, draw = tmp_path_factory.mktemp("files"), random.Random(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *NEUTRAL]
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    inner.pre_tokenizer = Whitespace()
    inner.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ["input_ids", "attention_mask", "token_type_ids"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]", model_input_names=names
    )
    torch.manual_seed(0)
    tiny_bert().bert.save_pretrained(root / "teacher")
    tokenizer.save_pretrained(root / "teacher")
    for split, rows in (("train", 160), ("dev", 60)):
        for task in ("labels", "values"):
            (root / task).mkdir(exist_ok=True)
            lines = ["sentence\tlabel" if task == "labels" else "sentence1\tsentence2\tscore"]
            for number in range(rows):
                first, second = _sentence(draw, number % 2), _sentence(draw, number // 2 % 2)
                same = 4.25 if number % 2 == number // 2 % 2 else 1.5
                lines.append(f"{first}\t{number % 2}" if task == "labels" else f"{first}\t{second}\t{same}")
            (root / task / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    (root / "corpus.txt").write_text("\n".join(_sentence(draw, number % 2) for number in range(600)) + "\n")
    return root
