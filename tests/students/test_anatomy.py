import pytest
import torch
from transformers import AlbertConfig, AutoModel, AutoModelForSequenceClassification, MobileBertConfig

from pocketbert.errors import DoesNotFit
from students.anatomy import _READERS, anatomy
from students.architecture import FAMILIES
from tests.students.models import FEED_FORWARD, HEADS, HIDDEN, LAYERS, classifier, config_of


@pytest.mark.parametrize("family", [*FAMILIES, "electra-narrow"])
def test_every_parameter_of_a_classifier_is_found_once(family):
    model = classifier(family)
    parts = anatomy(model)
    modules = [parts.word_embeddings, parts.position_embeddings, parts.embedding_norm]
    modules += [x for x in (parts.token_type_embeddings, parts.embedding_projection) if x is not None]
    for layer in parts.layers:
        modules += [getattr(layer, name) for name in vars(layer) if name != "heads"]
    modules += [step.linear for step in parts.head]
    found = [id(parameter) for module in modules for parameter in module.parameters()]
    assert sorted(found) == sorted(id(parameter) for parameter in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes(family):
    parts = anatomy(classifier(family))
    assert (parts.family, len(parts.layers), parts.hidden, parts.activation) == (family, LAYERS, HIDDEN, "gelu")
    sizes = {(layer.heads, layer.head_size, layer.feed_forward_in.out_features) for layer in parts.layers}
    assert sizes == {(HEADS, HIDDEN // HEADS, FEED_FORWARD)}


def test_roberta_positions_begin_after_padding():
    assert anatomy(classifier("roberta")).position_offset == 2
    assert anatomy(classifier("bert")).position_offset == 0


def test_head_activations_are_those_of_the_family():
    found = {family: [step.activation for step in anatomy(classifier(family)).head] for family in FAMILIES}
    assert found == {
        "bert": ["tanh", ""],
        "roberta": ["tanh", ""],
        "electra": ["gelu", ""],
        "distilbert": ["relu", ""],
    }


def test_a_bare_encoder_has_no_classifier():
    assert [step.activation for step in anatomy(AutoModel.from_config(config_of("bert"))).head] == ["tanh"]
    assert anatomy(AutoModel.from_config(config_of("distilbert"))).head == ()


@pytest.mark.parametrize("config", [AlbertConfig(), MobileBertConfig()])
def test_other_families_are_refused_by_name(config):
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(DoesNotFit, match=config.model_type):
        anatomy(model)


def test_every_family_of_the_list_can_be_taken_apart_and_no_other_is_claimed():
    assert set(FAMILIES) == set(_READERS)
