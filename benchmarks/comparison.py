"""Teacher and student side by side, before anything is trained."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from transformers import PreTrainedConfig, PreTrainedModel

from benchmarks.flops import flops
from benchmarks.size import sizes
from pocketbert.layer_sizes import FIELD
from students.pruning.sizes import sizes_of

FIELDS = {
    "architecture": "family",
    "layers": "layers",
    "hidden": "width",
    "heads": "heads",
    "attention_width": "width of all heads",
    "feed_forward": "feed-forward",
    "inner_width": "width inside a block",
    "feed_forwards": "feed-forwards a layer",
    "vocabulary": "vocabulary",
    "parameters": "parameters",
    "parameters_without_embeddings": "parameters without embeddings",
    "flops_at_128": "FLOPs at length 128",
}


def model_facts(name: str, model: PreTrainedModel) -> dict[str, Any]:
    """Return a model's sizes, as run.json holds them."""
    config = model.config
    return {
        "name": name,
        "architecture": config.model_type,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "heads": config.num_attention_heads,
        "feed_forward": getattr(config, "intermediate_size", None) or getattr(config, "hidden_dim", None),
        **_of_bottlenecks(config),
        **_of_layers(model),
        "vocabulary": config.vocab_size,
        "parameters": sizes(model).parameters,
        "parameters_without_embeddings": sizes(model).without_embeddings,
        "flops_at_128": flops(model, 128),
    }


def _of_bottlenecks(config: PreTrainedConfig) -> dict[str, Any]:
    if not hasattr(config, "true_hidden_size"):
        return {}
    return {"inner_width": config.true_hidden_size, "feed_forwards": config.num_feedforward_networks}


def _of_layers(model: PreTrainedModel) -> dict[str, int | list[int]]:
    """Return what layers that were pruned have, one number or one a layer; nothing for other models."""
    if not hasattr(model.config, FIELD):
        return {}
    layers = sizes_of(model).layers
    return {
        "heads": _one_or_each([layer.heads for layer in layers]),
        "attention_width": _one_or_each([layer.attention for layer in layers]),
        "feed_forward": _one_or_each([layer.feed_forward for layer in layers]),
    }


def _one_or_each(numbers: list[int]) -> int | list[int]:
    return numbers[0] if len(set(numbers)) == 1 else numbers


def comparison(teacher: Mapping[str, Any], student: Mapping[str, Any]) -> Table:
    """Return the table of both models' facts with their ratios."""
    table = Table("", f"teacher {teacher['name']}", f"student {student['name']}", "ratio", title=None)
    for key, title in FIELDS.items():
        theirs, ours = teacher.get(key), student.get(key)
        if theirs is None and ours is None:
            continue
        numbers = isinstance(theirs, int) and isinstance(ours, int)
        ratio = f"{theirs / ours:.1f}" if numbers and ours else ""
        table.add_row(title, _grouped(theirs), _grouped(ours), ratio)
    return table


def _grouped(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_grouped(each) for each in value)
    return f"{value:,}" if isinstance(value, int) else str(value or "")
