"""Tiny random models of every family, texts for them, and what PyTorch says about those texts."""

import numpy as np
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    MobileBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
SHARED = {**SIZES, "vocab_size": 120, "max_position_embeddings": 66, "num_labels": 3}


def family_config(family: str) -> PreTrainedConfig:
    if family == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
        return DistilBertConfig(**sizes, vocab_size=120, max_position_embeddings=66, num_labels=3)
    if family == "deberta-v2":
        attention = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16}
        extra = {"position_biased_input": False, "type_vocab_size": 0, "share_att_key": True}
        return DebertaV2Config(**SHARED, **attention, **extra, norm_rel_ebd="layer_norm")
    if family == "mobilebert":
        return MobileBertConfig(**SHARED, embedding_size=16, intra_bottleneck_size=16, true_hidden_size=16)
    configs = {"bert": BertConfig, "roberta": RobertaConfig, "electra": ElectraConfig, "albert": AlbertConfig}
    extra = {"roberta": {"type_vocab_size": 1}, "electra": {"embedding_size": 16}, "albert": {"embedding_size": 16}}
    return configs[family](**SHARED, **extra.get(family, {}))


def random_model(config: PreTrainedConfig, head: type = AutoModelForSequenceClassification) -> PreTrainedModel:
    """A model whose biases and norms are random too, so that a wrong one shows."""
    torch.manual_seed(0)
    model = head.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        # The padding's embedding is zero by convention, and mobilebert mixes it into the last token's.
        model.get_input_embeddings().weight[config.pad_token_id] = 0
    return model


def texts(lengths: tuple[int, ...], types: bool = False) -> list[dict[str, list[int]]]:
    generator = np.random.default_rng(len(lengths))
    result = []
    for length in lengths:
        text = {"input_ids": generator.integers(5, 120, length).tolist(), "attention_mask": [1] * length}
        if types:
            text["token_type_ids"] = generator.integers(2, size=length).tolist()
        result.append(text)
    return result


def torch_logits(model: PreTrainedModel, encodings: list[dict[str, list[int]]]) -> np.ndarray:
    """What PyTorch says, text by text, without padding."""
    with torch.inference_mode():
        rows = [model(**{name: torch.tensor([x]) for name, x in text.items()}).logits for text in encodings]
    return torch.cat(rows).numpy()
