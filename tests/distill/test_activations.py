import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    MobileBertConfig,
    RobertaConfig,
)

from distill.activations import ATTENTION_SCORES, HIDDEN_STATES, KEYS, LOGITS, QUERIES, VALUES, capture, joined, prepare
from distill.shapes import shape_of
from pocketbert.errors import DoesNotFit
from students.building import build_student
from students.sharing import unshared
from students.spec import parse_student

EVERYTHING = dict.fromkeys((LOGITS, HIDDEN_STATES, ATTENTION_SCORES, QUERIES, KEYS, VALUES))
SIZES = {"vocab_size": 120, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 48}
FAMILIES = {
    "albert": AlbertConfig(**SIZES, hidden_size=32, intermediate_size=64, embedding_size=16),
    "distilbert": DistilBertConfig(vocab_size=120, n_layers=2, n_heads=4, dim=32, hidden_dim=64),
    "electra": ElectraConfig(**SIZES, hidden_size=32, intermediate_size=64, embedding_size=16),
    "mobilebert": MobileBertConfig(
        **SIZES, hidden_size=32, intermediate_size=32, embedding_size=16, intra_bottleneck_size=16, true_hidden_size=16
    ),
    "roberta": RobertaConfig(**SIZES, hidden_size=32, intermediate_size=64),
}


@pytest.fixture(params=["bert", *FAMILIES])
def model(request, bert):
    torch.manual_seed(0)
    made = (
        bert() if request.param == "bert" else AutoModelForSequenceClassification.from_config(FAMILIES[request.param])
    )
    return made.eval()


@pytest.fixture
def batch():
    ids = torch.randint(5, 120, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 6:], mask[2, 2:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def test_scores_give_the_probabilities_of_eager_attention(model, batch):
    """Masked and passed through a softmax, the captured scores are the attention that transformers reports."""
    model.set_attn_implementation("eager")
    eager = model(**batch, output_attentions=True)
    prepare(model, EVERYTHING)
    captured = capture(model, batch, EVERYTHING)
    assert torch.allclose(captured.logits, eager.logits, atol=1e-5)
    assert len(captured.attention_scores) == len(eager.attentions)
    for scores, expected in zip(captured.attention_scores.values(), eager.attentions, strict=True):
        masked = scores.masked_fill(batch["attention_mask"][:, None, None, :] == 0, float("-inf"))
        assert torch.allclose(masked.softmax(-1), expected, atol=1e-6)


def test_queries_and_keys_give_the_scores(model, batch):
    prepare(model, EVERYTHING)
    captured = capture(model, batch, EVERYTHING)
    heads, width = model.config.num_attention_heads, shape_of(model).attention[0]
    found = captured.attention_scores, captured.queries, captured.keys, captured.values
    for scores, queries, keys, values in zip(*(each.values() for each in found), strict=True):
        assert queries.shape == values.shape == (3, heads, 9, width // heads)
        assert torch.allclose(queries @ keys.transpose(-1, -2) / (width // heads) ** 0.5, scores, atol=1e-6)


def test_values_are_those_that_the_layer_projects(bert, batch):
    model = bert().eval()
    prepare(model, EVERYTHING)
    captured = capture(model, batch, EVERYTHING)
    projected = model.bert.encoder.layer[1].attention.self.value(captured.hidden_states[1])
    assert torch.allclose(captured.values[1].transpose(1, 2).flatten(2), projected, atol=1e-6)


def test_hidden_states_are_embeddings_and_then_each_layer(model, batch):
    states = capture(model, batch, {LOGITS: None, HIDDEN_STATES: None}).hidden_states
    assert len(states) == model.config.num_hidden_layers + 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_language_model_answers_at_the_places_asked_for_alone(family, batch):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(FAMILIES[family]).eval()
    places = torch.zeros_like(batch["attention_mask"]).bool()
    places[0, 2] = places[1, 0] = places[1, 3] = True
    prepare(model, {HIDDEN_STATES: None})
    with torch.no_grad():
        whole = model(**batch, output_hidden_states=True)
        got = capture(model, batch, {HIDDEN_STATES: None}, places)
        torch.testing.assert_close(got.logits, whole.logits[places])
        for ours, theirs in zip(got.layers(HIDDEN_STATES).values(), whole.hidden_states, strict=True):
            torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(model(**batch).logits, whole.logits)


def test_only_what_is_needed_is_collected(bert, batch):
    got = capture(bert().eval(), batch, {LOGITS: None})
    assert got.hidden_states is None
    assert got.attention_scores is None and got.values is None


def test_only_the_layers_that_are_needed_are_collected(model, batch):
    prepare(model, EVERYTHING)
    whole = capture(model, batch, EVERYTHING)
    got = capture(model, batch, {HIDDEN_STATES: frozenset({0, 2}), ATTENTION_SCORES: frozenset({1}), VALUES: None})
    assert (set(got.hidden_states), set(got.attention_scores), set(got.values)) == (
        {0, 2},
        {1},
        {*range(model.config.num_hidden_layers)},
    )
    for name in (HIDDEN_STATES, ATTENTION_SCORES, VALUES):
        for layer, tensor in got.layers(name).items():
            torch.testing.assert_close(tensor, whole.layers(name)[layer])


def test_needs_are_joined_by_layer():
    wanted = joined({VALUES: frozenset({1})}, {VALUES: frozenset({0}), LOGITS: None}, {HIDDEN_STATES: frozenset({3})})
    assert wanted == {VALUES: frozenset({0, 1}), LOGITS: None, HIDDEN_STATES: frozenset({3})}
    assert joined(wanted, {VALUES: None}) == {**wanted, VALUES: None}


def test_a_prepared_model_gives_the_same_logits_outside_a_capture(bert, batch):
    model = bert().eval()
    before = model(**batch).logits
    prepare(model, EVERYTHING)
    assert torch.allclose(model(**batch).logits, before, atol=1e-6)


def test_attention_code_of_its_own_is_refused_by_name():
    config = DebertaV2Config(**SIZES, hidden_size=32, intermediate_size=64)
    model = AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(DoesNotFit, match="deberta-v2"):
        prepare(model, EVERYTHING)


def test_attention_is_in_single_precision_within_bfloat16_on_a_processor(bert):
    model = bert().eval()
    prepare(model, {ATTENTION_SCORES: None})
    ids, mask = torch.randint(5, 120, (2, 6)), torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    with torch.autocast("cpu", torch.bfloat16):
        half = capture(model, {"input_ids": ids, "attention_mask": mask}, {ATTENTION_SCORES: None})
    whole = capture(model, {"input_ids": ids, "attention_mask": mask}, {ATTENTION_SCORES: None})
    assert half.layers(ATTENTION_SCORES)[0].dtype == torch.float32
    for ours, theirs in zip(
        half.layers(ATTENTION_SCORES).values(), whole.layers(ATTENTION_SCORES).values(), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-3)
    half.logits.float().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)


def test_layers_that_share_weights_are_told_apart():
    teacher = AutoModelForSequenceClassification.from_config(FAMILIES["roberta"])
    shared = build_student(parse_student("layers=3,hidden=32,heads=4,feed_forward=64,sharing=all"), teacher)
    inputs = {"input_ids": torch.arange(5, 15).view(2, 5), "attention_mask": torch.ones(2, 5, dtype=torch.long)}
    ours, theirs = (capture(model, inputs, EVERYTHING) for model in (prepared(shared), prepared(unshared(shared))))
    for field in (HIDDEN_STATES, ATTENTION_SCORES, QUERIES, KEYS, VALUES):
        before, after = getattr(theirs, field), getattr(ours, field)
        assert before.keys() == after.keys()
        assert len(after) >= 3
        for layer, tensor in before.items():
            assert torch.equal(after[layer], tensor), (field, layer)


def prepared(model):
    prepare(model, EVERYTHING)
    return model.eval()
