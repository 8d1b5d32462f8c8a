"""BERT with bottlenecks whose queries, keys and values come from the wide state between the blocks.

Paper: Sun et al. 2020, "MobileBERT", arXiv:2004.02984, table 1. With blocks wider than the state between them it is the
inverted-bottleneck teacher IB-BERT; with narrower ones, a MobileBERT as the paper's table has it (25,359,104
parameters).
transformers' own MobileBERT can't express it: it feeds the wide state to a query and a key made for the width inside
the block. All else is transformers' code.

Importing this file teaches transformers' Auto classes the model type `ib_bert`.
"""

from typing import Any

from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    MobileBertConfig,
    MobileBertForMaskedLM,
    MobileBertForSequenceClassification,
    MobileBertModel,
    PreTrainedModel,
)


class IBBertConfig(MobileBertConfig):
    """MobileBERT's configuration with wide queries, keys and values."""

    model_type = "ib_bert"

    def __post_init__(self, **kwargs: Any) -> None:  # noqa: ANN401  (transformers')
        self.use_bottleneck, self.key_query_shared_bottleneck, self.use_bottleneck_attention = True, False, False
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]  # transformers'


class IBBertModel(MobileBertModel):
    """The encoder alone."""

    config_class = IBBertConfig

    def __init__(self, config: IBBertConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config, add_pooling_layer)
        _widen(self)


class IBBertForMaskedLM(MobileBertForMaskedLM):
    """With a language head."""

    config_class = IBBertConfig

    def __init__(self, config: IBBertConfig) -> None:
        super().__init__(config)
        _widen(self)


class IBBertForSequenceClassification(MobileBertForSequenceClassification):
    """With a classification or regression head."""

    config_class = IBBertConfig

    def __init__(self, config: IBBertConfig) -> None:
        super().__init__(config)
        _widen(self)


def _widen(model: PreTrainedModel) -> None:
    """Let queries and keys read the state between the blocks."""
    encoder: Any = model.base_model
    for layer in encoder.encoder.layer:
        attention = layer.attention.self
        for name in ("query", "key"):
            wide = nn.Linear(model.config.hidden_size, attention.all_head_size)
            nn.init.normal_(wide.weight, std=model.config.initializer_range)
            nn.init.zeros_(wide.bias)
            setattr(attention, name, wide)


AutoConfig.register("ib_bert", IBBertConfig)
AutoModel.register(IBBertConfig, IBBertModel)
AutoModelForMaskedLM.register(IBBertConfig, IBBertForMaskedLM)
AutoModelForSequenceClassification.register(IBBertConfig, IBBertForSequenceClassification)
