"""Small real models and rows that every room's tests share."""

import gc
import os
import random

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def imported_modules_are_no_garbage():
    """Spare the collector, which every training calls by name, the very many objects of the libraries."""
    gc.collect()
    gc.freeze()


GOOD, BAD = ["fine", "great", "lovely", "superb"], ["awful", "dull", "poor", "weak"]
NEUTRAL = [f"word{i}" for i in range(60)]


def tiny_bert(layers=4, hidden=32, heads=4, labels=2, **options):
    sizes = {
        "vocab_size": 120,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": 48,
        "num_labels": labels,
    }
    config = BertConfig(**sizes | options)
    return BertForSequenceClassification(config)


@pytest.fixture
def bert():
    """Return a function that makes small random BERT classifiers, the same ones every time."""

    def make(seed=0, **options):
        torch.manual_seed(seed)
        return tiny_bert(**options)

    return make


@pytest.fixture
def rows():
    """Return 48 encoded rows of 3 to 20 tokens whose label is the parity of their first token."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(3, 21, (48,), generator=generator).tolist()
    ids = [torch.randint(5, 120, (length,), generator=generator).tolist() for length in lengths]
    return Dataset.from_dict(
        {
            "input_ids": ids,
            "attention_mask": [[1] * length for length in lengths],
            "labels": [row[0] % 2 for row in ids],
            "length": lengths,
        }
    )


def _sentence(draw, label):
    words = draw.choices(NEUTRAL, k=draw.randint(2, 9))
    words.insert(draw.randint(0, len(words)), draw.choice(GOOD if label else BAD))
    return " ".join(words)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a 4-layer teacher without a head, a classification task, a regression task and pairs."""
    return write_files(tmp_path_factory.mktemp("files"))


def write_files(root):
    """Write what `files` is into a folder, and return it."""
    draw = random.Random(0)
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
