"""What the objectives must know of a model's form."""

from dataclasses import dataclass

from transformers import PreTrainedModel

from pocketbert.layer_sizes import read_sizes


@dataclass(frozen=True)
class ModelShape:
    """Sizes of an encoder with a head.

    Attributes:
        name: what to call the model in messages.
        layers: number of encoder layers.
        hidden: width of the hidden states.
        embedding: width of hidden state 0 (differs from `hidden` where embeddings are factorised).
        attention: of each layer the width of all heads' queries side by side (differs from `hidden` inside a
            bottleneck, and where heads were pruned).
        heads: of each layer its attention heads.
        outputs: C, 1 for regression.
        regression: whether the output is a value rather than class logits.
    """

    name: str
    layers: int
    hidden: int
    embedding: int
    attention: tuple[int, ...]
    heads: tuple[int, ...]
    outputs: int
    regression: bool


def shape_of(model: PreTrainedModel, name: str = "") -> ModelShape:
    """Read the shape from a sequence classification model's configuration."""
    config = model.config
    attention, heads = _attention(model)
    return ModelShape(
        name=name or config.model_type,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        embedding=config.hidden_size,
        attention=attention,
        heads=heads,
        outputs=int(config.num_labels or 0),
        regression=config.problem_type == "regression",
    )


def _attention(model: PreTrainedModel) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the layers' widths of attention and their heads, which differ in pruned models."""
    config = model.config
    sizes = read_sizes(config, "the configuration")
    if sizes is not None:
        return tuple(layer.attention for layer in sizes.layers), tuple(layer.heads for layer in sizes.layers)
    width = getattr(config, "true_hidden_size", config.hidden_size)
    return (width,) * config.num_hidden_layers, (config.num_attention_heads,) * config.num_hidden_layers
