import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from pocketbert.ib_bert import IBBertConfig, IBBertForMaskedLM, IBBertForSequenceClassification

SIZES = {
    "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
    "intra_bottleneck_size": 48, "embedding_size": 8, "num_feedforward_networks": 1, "max_position_embeddings": 20,
    "normalization_type": "layer_norm", "hidden_act": "gelu",
}  # fmt: skip
IDS = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


def _reference_layer(layer, hidden, mask, heads):
    """Write one layer out: queries, keys and values from the wide state, the rest inside the block."""
    weights = dict(layer.named_parameters())

    def linear(name, value):
        return value @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name, value):
        scale, shift = weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]
        centred = value - value.mean(-1, keepdim=True)
        return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt() * scale + shift

    inside = norm("bottleneck.input", linear("bottleneck.input.dense", hidden))
    query, key, value = (
        linear(f"attention.self.{name}", hidden).unflatten(-1, (heads, -1)).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~mask.bool()[:, None, None, :], -1e9)
    context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    attended = norm("attention.output", linear("attention.output.dense", context) + inside)
    fed = torch.nn.functional.gelu(linear("intermediate.dense", attended))
    out = norm("output", linear("output.dense", fed) + attended)
    return norm("output.bottleneck", linear("output.bottleneck.dense", out) + hidden)


@torch.no_grad()
def test_a_layer_is_what_the_paper_draws():
    torch.manual_seed(0)
    model = IBBertForSequenceClassification(IBBertConfig(**SIZES)).eval()
    states = model(input_ids=IDS, attention_mask=MASK, output_hidden_states=True).hidden_states
    for layer, before, after in zip(model.base_model.encoder.layer, states, states[1:], strict=False):
        written = _reference_layer(layer, before, MASK, 4)
        real = MASK.bool()
        assert torch.allclose(written[real], after[real], atol=1e-5)


@torch.no_grad()
def test_saved_models_are_read_again_by_the_auto_classes(tmp_path):
    for kind, auto in (
        (IBBertForSequenceClassification, AutoModelForSequenceClassification),
        (IBBertForMaskedLM, AutoModelForMaskedLM),
    ):
        torch.manual_seed(0)
        model = kind(IBBertConfig(**SIZES)).eval()
        model.save_pretrained(tmp_path / kind.__name__)
        again = auto.from_pretrained(tmp_path / kind.__name__).eval()
        assert type(again) is kind
        assert torch.equal(again(input_ids=IDS).logits, model(input_ids=IDS).logits)
