"""Small real models and rows that every room's tests share."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification

torch.set_num_threads(1)


def tiny_bert(layers=4, hidden=32, heads=4, labels=2, **options):
    config = BertConfig(
        vocab_size=120,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * hidden,
        max_position_embeddings=48,
        num_labels=labels,
        **options,
    )
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
