"""Which layers are named: those whose exchange moves the answers most."""

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from distill.compression.blame import blamed, layers_of, sensitivities
from distill.compression.plan import parse_chain
from distill.compression.state import State
from distill.evaluation import predict
from tests.students.models import classifier as model_of

STEP = parse_chain("prune:0.5")[0]


@pytest.fixture
def before(classifier):
    return classifier.chain_start()


def changed(state, layer, by):
    """Return a state with noise in the weights of one layer."""
    model = copy.deepcopy(state.model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in layers_of(model)[layer].parameters():
            weight.add_(by * torch.randn(weight.shape, generator=generator))
    return replace(state, model=model)


@pytest.mark.parametrize("layer", [0, 1])
def test_the_layer_that_is_changed_is_named_with_all_of_the_blame(classifier, before, layer):
    said = blamed(classifier.run, before, changed(before, layer, 0.5), STEP)
    assert f"layer {layer} (100 %), layer {1 - layer} (0 %). " in said


def test_the_layer_that_is_changed_more_comes_first_and_shares_are_of_a_whole(classifier, before):
    said = blamed(classifier.run, before, changed(changed(before, 0, 0.02), 1, 0.8), STEP)
    named = re.findall(r"layer (\d) \((\d+) %\)", said)
    assert [number for number, _ in named] == ["1", "0"]
    assert sum(int(share) for _, share in named) == 100


def test_a_sensitivity_is_the_divergence_that_one_exchanged_layer_makes(classifier, before):
    after = changed(before, 1, 0.5)
    found = sensitivities(classifier.run, before, layers_of(after.model))
    rows, collator = before.reading.rows.evaluation, before.reading.collator
    ours, theirs = (predict(state.model, rows, collator).astype(np.float64) for state in (before, after))
    p, q = (np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in (ours, theirs))
    assert found == pytest.approx([0, (p * np.log(p / q)).sum(-1).mean()], rel=1e-4, abs=1e-12)


def test_the_models_stay_as_they_are(classifier, before):
    after = changed(before, 0, 0.5)
    kept = [{name: tensor.clone() for name, tensor in state.model.state_dict().items()} for state in (before, after)]
    blamed(classifier.run, before, after, STEP)
    for state, weights in zip((before, after), kept, strict=True):
        assert all(torch.equal(tensor, weights[name]) for name, tensor in state.model.state_dict().items())


def test_nobody_is_named_where_no_layer_changed_or_none_fits(classifier, before):
    assert blamed(classifier.run, before, before, STEP) == ""
    fewer = copy.deepcopy(before.model)
    del layers_of(fewer)[0]
    assert blamed(classifier.run, before, replace(before, model=fewer), STEP) == ""
    wider = State(model_of("bert", num_hidden_layers=2), before.reading)
    assert blamed(classifier.run, before, wider, STEP) == ""


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_every_familys_layers_are_found(family):
    assert len(layers_of(model_of(family))) == 4


def test_of_quantisation_the_layers_are_named_whose_rounded_weights_move_the_answers(classifier, before):
    rounded = replace(before, precision="int4")
    said = blamed(classifier.run, before, rounded, parse_chain("int4")[0])
    shares = [int(share) for share in re.findall(r"\((\d+) %\)", said)]
    assert len(shares) == 2 and 98 <= sum(shares) <= 102
