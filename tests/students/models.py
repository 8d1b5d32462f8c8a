"""Small real models of every family, and text for them."""

import torch
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

VOCABULARY, HIDDEN, LAYERS, HEADS, FEED_FORWARD = 120, 32, 4, 4, 64
_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": FEED_FORWARD,
    "max_position_embeddings": 40,
}
_DISTILBERT = {
    "vocab_size": VOCABULARY,
    "dim": HIDDEN,
    "n_layers": LAYERS,
    "n_heads": HEADS,
    "hidden_dim": FEED_FORWARD,
    "max_position_embeddings": 40,
}


def config_of(family: str, **changes: object) -> PreTrainedConfig:
    """A tiny configuration; "electra-narrow" has embeddings narrower than its hidden states."""
    makers = {
        "bert": lambda: BertConfig(**{**_SIZES, **changes}),
        "roberta": lambda: RobertaConfig(**{**_SIZES, "type_vocab_size": 1, "pad_token_id": 1, **changes}),
        "electra": lambda: ElectraConfig(**{**_SIZES, "embedding_size": HIDDEN, **changes}),
        "electra-narrow": lambda: ElectraConfig(**{**_SIZES, "embedding_size": 16, **changes}),
        "distilbert": lambda: DistilBertConfig(**{**_DISTILBERT, **changes}),
    }
    return makers[family]()


def classifier(family: str, seed: int = 0, **changes: object) -> PreTrainedModel:
    """A sequence classifier whose every parameter is random and large enough to matter."""
    torch.manual_seed(seed)
    return _randomised(AutoModelForSequenceClassification.from_config(config_of(family, **changes)))


def language_model(family: str, seed: int = 0, **changes: object) -> PreTrainedModel:
    """The same with a masked language head."""
    torch.manual_seed(seed)
    return _randomised(AutoModelForMaskedLM.from_config(config_of(family, **changes)))


def _randomised(model: PreTrainedModel) -> PreTrainedModel:
    model.eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn_like(weight)
            weight.copy_(1 + 0.2 * noise if "norm" in name.lower() and name.endswith("weight") else 0.2 * noise)
    return model


def batches(count: int = 6, rows: int = 16, seed: int = 0, types: bool = False) -> list[dict[str, Tensor]]:
    """Random texts of 3 to 20 tokens, right-padded with the pad id of none of them in use (1 for roberta)."""
    generator = torch.Generator().manual_seed(seed)
    return [_batch(rows, generator, types) for _ in range(count)]


def _batch(rows: int, generator: torch.Generator, types: bool) -> dict[str, Tensor]:
    lengths = torch.randint(3, 21, (rows, 1), generator=generator)
    mask = torch.arange(int(lengths.max())) < lengths
    ids = torch.randint(2, VOCABULARY, mask.shape, generator=generator)
    batch = {"input_ids": torch.where(mask, ids, 1), "attention_mask": mask.long()}
    if types:
        batch["token_type_ids"] = torch.randint(0, 2, mask.shape, generator=generator)
    return batch


@torch.no_grad()
def logits(model: PreTrainedModel, texts: list[dict[str, Tensor]]) -> Tensor:
    return torch.cat([model(**batch).logits for batch in texts])
