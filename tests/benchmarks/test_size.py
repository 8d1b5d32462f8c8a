from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.size import Sizes, bytes_by_kind, sizes
from pocketbert.errors import UserError


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


def test_files_by_kind(tmp_path: Path) -> None:
    files = {"model.safetensors": 5, "model.onnx": 7, "model-int8.onnx": 3, "tokenizer.json": 2, "vocab.txt": 4}
    files |= {"tokenizer_config.json": 1, "config.json": 6, "README.md": 9}
    for name, size in files.items():
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "checkpoints").mkdir()
    expected = {"weights": 5, "onnx": 7, "onnx int8": 3, "tokenizer": 7, "configuration": 6, "other": 9}
    assert bytes_by_kind(tmp_path) == expected


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        bytes_by_kind(tmp_path / "none")
