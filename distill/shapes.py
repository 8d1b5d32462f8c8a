"""What the objectives must know of a model's form."""

from dataclasses import dataclass

from transformers import PreTrainedModel


@dataclass(frozen=True)
class ModelShape:
    """Sizes of an encoder with a head.

    Attributes:
        name: what to call the model in messages.
        layers: number of encoder layers.
        hidden: width of the hidden states.
        embedding: width of hidden state 0 (differs from `hidden` where embeddings are factorised).
        attention: width of all heads' queries side by side (differs from `hidden` inside a bottleneck).
        heads: attention heads per layer.
        outputs: C, 1 for regression.
        regression: whether the output is a value rather than class logits.
    """

    name: str
    layers: int
    hidden: int
    embedding: int
    attention: int
    heads: int
    outputs: int
    regression: bool


def shape_of(model: PreTrainedModel, name: str = "") -> ModelShape:
    """Read the shape from a sequence classification model's configuration."""
    config = model.config
    return ModelShape(
        name=name or config.model_type,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        embedding=config.hidden_size,
        attention=getattr(config, "true_hidden_size", config.hidden_size),
        heads=config.num_attention_heads,
        outputs=int(config.num_labels or 0),
        regression=config.problem_type == "regression",
    )
