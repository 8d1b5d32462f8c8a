import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.size import Sizes, sizes


def bert(layers: int, hidden: int, feed_forward: int, heads: int) -> BertForSequenceClassification:
    sizes = {"num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": feed_forward}
    with torch.device("meta"):
        return BertForSequenceClassification(BertConfig(**sizes, num_attention_heads=heads))


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [((12, 768, 3072, 12), 109_482_240), ((4, 312, 1200, 12), 14_350_248)],
)
def test_published_parameter_counts(shape: tuple[int, int, int, int], parameters: int) -> None:
    """The published counts leave the classifier out: 2 * hidden + 2."""
    model = bert(*shape)
    assert sizes(model).parameters - 2 * shape[1] - 2 == parameters
    assert sizes(model).embeddings == (30522 + 512 + 2) * shape[1]


def test_without_embeddings_by_hand() -> None:
    model = bert(4, 312, 1200, 12)
    per_layer, pooler, norm, classifier = 1_142_184, 312 * 312 + 312, 2 * 312, 2 * 312 + 2
    assert sizes(model).without_embeddings == 4 * per_layer + pooler + norm + classifier


def test_a_shared_table_counts_once() -> None:
    first, second = nn.Embedding(10, 4), nn.Embedding(10, 4)
    second.weight = first.weight
    assert sizes(nn.ModuleList([first, second, nn.Linear(4, 2)])) == Sizes(parameters=50, embeddings=40)
