"""Our own training on a task's folder, as runs have it."""

from pathlib import Path
from typing import Any

from datasets import Dataset

from benchmarks.throughput.task import LAYERS, TEXTS
from distill.recipes.schema import Recipe, Stage, TrainingSettings
from pocketbert.files import read_json


def texts_of(folder: Path) -> Dataset:
    """Return a task's texts as encoded rows."""
    texts = read_json(folder / TEXTS)
    rows = Dataset.from_dict({"input_ids": texts, "attention_mask": [[1] * len(text) for text in texts]})
    return rows.add_column("length", [len(text) for text in texts])


def recipe_of(folder: Path, **training: Any) -> Recipe:  # noqa: ANN401  (fields of TrainingSettings)
    """Return TinyBERT's first stage with a task's layers."""
    layers: list[int] = read_json(folder / LAYERS)
    settings = TrainingSettings(learning_rate=2e-4, scheduler="constant", warmup_ratio=0, **training)
    objectives = {"embedding_mse": {}, "hidden_mse": {"layers": layers}, "attention_mse": {"layers": layers}}
    stage = Stage(name="throughput", objectives=objectives, projections="random", training=settings)
    return Recipe(name="throughput", stages=(stage,))
