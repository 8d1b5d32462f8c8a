"""The parts of every model that is written straight from its weights without bottlenecks, albert's included."""

from typing import Any

from transformers import PreTrainedModel

from students.anatomy import Anatomy, HeadStep, Layer, anatomy
from students.architecture import FAMILIES

ALBERT = "albert"
WRITTEN = (*FAMILIES, ALBERT)


def parts_of(model: PreTrainedModel) -> Anatomy:
    """Return a model's parts; the head's are those of a sequence classifier alone."""
    return _albert(model) if model.config.model_type == ALBERT else anatomy(model)


def _albert(model: PreTrainedModel) -> Anatomy:
    """Read albert, whose layers come several times over from few groups of weights."""
    whole: Any = model
    encoder: Any = model.base_model
    config, table = model.config, encoder.embeddings
    groups = [
        int(number / (config.num_hidden_layers / config.num_hidden_groups))
        for number in range(config.num_hidden_layers)
    ]
    classifier = getattr(whole, "classifier", None)
    pooled = [HeadStep(encoder.pooler, "tanh")] if encoder.pooler is not None else []
    return Anatomy(
        family=ALBERT,
        word_embeddings=table.word_embeddings,
        position_embeddings=table.position_embeddings,
        token_type_embeddings=table.token_type_embeddings,
        embedding_norm=table.LayerNorm,
        embedding_projection=encoder.encoder.embedding_hidden_mapping_in,
        position_offset=0,
        layers=tuple(
            _albert_layer(layer)
            for group in groups
            for layer in encoder.encoder.albert_layer_groups[group].albert_layers
        ),
        activation=config.hidden_act,
        head=(*pooled, *([] if classifier is None else [HeadStep(classifier, "")])),
    )


def _albert_layer(layer: Any) -> Layer:  # noqa: ANN401  (transformers' layer)
    attention = layer.attention
    return Layer(
        query=attention.query,
        key=attention.key,
        value=attention.value,
        output=attention.dense,
        attention_norm=attention.LayerNorm,
        feed_forward_in=layer.ffn,
        feed_forward_out=layer.ffn_output,
        feed_forward_norm=layer.full_layer_layer_norm,
        heads=attention.num_attention_heads,
    )
