"""The parts of a BERT-like encoder under the same names, whatever its family calls them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit
from students.architecture import FAMILIES


@dataclass(frozen=True)
class Layer:
    """One encoder layer; every field is the live module, so writing to it changes the model.

    Attributes:
        query: hidden -> heads * head size; so are `key` and `value`.
        output: heads * head size -> hidden, what the attention adds to the residual stream.
        attention_norm: normalises the sum of the layer's input and the attention's output.
        feed_forward_in: hidden -> feed-forward width; the activation follows.
        feed_forward_out: feed-forward width -> hidden.
        feed_forward_norm: normalises the sum of `attention_norm`'s result and the feed-forward's output.
        heads: attention heads.
    """

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    attention_norm: nn.LayerNorm
    feed_forward_in: nn.Linear
    feed_forward_out: nn.Linear
    feed_forward_norm: nn.LayerNorm
    heads: int

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.query.out_features // self.heads


@dataclass(frozen=True)
class HeadStep:
    """One step of the classification head: a linear layer, then `activation` ("" for none)."""

    linear: nn.Linear
    activation: str


@dataclass(frozen=True)
class LanguageHead:
    """A masked language head: `dense`, activation, `norm`, then the word embeddings' transpose plus `bias`.

    Attributes:
        dense: hidden -> embedding width.
        norm: of the embedding width.
        bias: [vocabulary].
    """

    dense: nn.Linear
    norm: nn.LayerNorm
    bias: nn.Parameter


@dataclass(frozen=True)
class Anatomy:
    """A whole model; modules are live.

    Attributes:
        family: the configuration's model type.
        word_embeddings: [vocabulary, embedding width].
        position_embeddings: [positions, embedding width].
        token_type_embeddings: [types, embedding width]; None where the family has none.
        embedding_norm: normalises the embeddings' sum.
        embedding_projection: embedding width -> hidden (electra with a narrow embedding), else None.
        position_offset: row of the first token in `position_embeddings` (roberta: padding id + 1).
        layers: the encoder, first to last.
        activation: name of the feed-forward activation.
        head: applied in turn to the first token's last hidden state; the last step gives the logits. It is empty for
            a bare encoder without pooler, and ends with the pooler for one with it.
        language_head: None where the model is not a masked language model.
    """

    family: str
    word_embeddings: nn.Embedding
    position_embeddings: nn.Embedding
    token_type_embeddings: nn.Embedding | None
    embedding_norm: nn.LayerNorm
    embedding_projection: nn.Linear | None
    position_offset: int
    layers: tuple[Layer, ...]
    activation: str
    head: tuple[HeadStep, ...]
    language_head: LanguageHead | None = None

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""
        return self.layers[0].query.in_features


def anatomy(model: PreTrainedModel) -> Anatomy:
    """Return the parts of a bert, roberta, electra or distilbert model.

    Raises:
        DoesNotFit: the model is of another family.
    """
    family = model.config.model_type
    if family not in _READERS:
        raise DoesNotFit(
            f"a {family} model ({type(model).__name__}) cannot be cut or copied: only {', '.join(FAMILIES)} can. "
            "Take one of these families, or a start that copies nothing."
        )
    return _READERS[family](model)


def _bert_like(model: PreTrainedModel) -> Anatomy:
    """Read bert, roberta and electra, whose encoders have the same names."""
    encoder: Any = model.base_model  # torch types every submodule as Tensor | Module
    config, table = model.config, encoder.embeddings
    return Anatomy(
        family=config.model_type,
        word_embeddings=table.word_embeddings,
        position_embeddings=table.position_embeddings,
        token_type_embeddings=table.token_type_embeddings,
        embedding_norm=table.LayerNorm,
        embedding_projection=getattr(encoder, "embeddings_project", None),
        position_offset=table.padding_idx + 1 if config.model_type == "roberta" else 0,
        layers=tuple(_bert_layer(layer) for layer in encoder.encoder.layer),
        activation=config.hidden_act,
        head=_bert_head(model),
        language_head=_language_head(model),
    )


def _bert_layer(module: nn.Module) -> Layer:
    layer: Any = module
    attention = layer.attention
    return Layer(
        query=attention.self.query,
        key=attention.self.key,
        value=attention.self.value,
        output=attention.output.dense,
        attention_norm=attention.output.LayerNorm,
        feed_forward_in=layer.intermediate.dense,
        feed_forward_out=layer.output.dense,
        feed_forward_norm=layer.output.LayerNorm,
        heads=attention.self.num_attention_heads,
    )


def _bert_head(model: PreTrainedModel) -> tuple[HeadStep, ...]:
    pooler = getattr(model.base_model, "pooler", None)
    steps = () if pooler is None else (HeadStep(pooler.dense, "tanh"),)
    classifier = getattr(model, "classifier", None)
    if isinstance(classifier, nn.Linear):
        return (*steps, HeadStep(classifier, ""))
    if classifier is None:
        return steps
    inner = "gelu" if model.config.model_type == "electra" else "tanh"
    return HeadStep(classifier.dense, inner), HeadStep(classifier.out_proj, "")


def _distilbert(model: PreTrainedModel) -> Anatomy:
    encoder: Any = model.base_model
    return Anatomy(
        family="distilbert",
        word_embeddings=encoder.embeddings.word_embeddings,
        position_embeddings=encoder.embeddings.position_embeddings,
        token_type_embeddings=None,
        embedding_norm=encoder.embeddings.LayerNorm,
        embedding_projection=None,
        position_offset=0,
        layers=tuple(_distilbert_layer(layer) for layer in encoder.transformer.layer),
        activation=model.config.activation,
        head=_distilbert_head(model),
        language_head=_language_head(model),
    )


def _language_head(model: PreTrainedModel) -> LanguageHead | None:
    whole: Any = model
    if hasattr(whole, "cls"):
        inner = whole.cls.predictions
        return LanguageHead(inner.transform.dense, inner.transform.LayerNorm, inner.bias)
    if hasattr(whole, "lm_head"):
        return LanguageHead(whole.lm_head.dense, whole.lm_head.layer_norm, whole.lm_head.bias)
    if hasattr(whole, "generator_predictions"):
        inner = whole.generator_predictions
        return LanguageHead(inner.dense, inner.LayerNorm, whole.generator_lm_head.bias)
    if hasattr(whole, "vocab_projector"):
        return LanguageHead(whole.vocab_transform, whole.vocab_layer_norm, whole.vocab_projector.bias)
    return None


def _distilbert_head(model: PreTrainedModel) -> tuple[HeadStep, ...]:
    whole: Any = model
    if not hasattr(whole, "pre_classifier"):
        return ()
    return HeadStep(whole.pre_classifier, "relu"), HeadStep(whole.classifier, "")


def _distilbert_layer(module: nn.Module) -> Layer:
    layer: Any = module
    return Layer(
        query=layer.attention.q_lin,
        key=layer.attention.k_lin,
        value=layer.attention.v_lin,
        output=layer.attention.out_lin,
        attention_norm=layer.sa_layer_norm,
        feed_forward_in=layer.ffn.lin1,
        feed_forward_out=layer.ffn.lin2,
        feed_forward_norm=layer.output_layer_norm,
        heads=layer.attention.n_heads,
    )


_READERS: dict[str, Callable[[PreTrainedModel], Anatomy]] = {
    "bert": _bert_like,
    "roberta": _bert_like,
    "electra": _bert_like,
    "distilbert": _distilbert,
}
