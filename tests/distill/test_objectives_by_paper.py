"""Every objective that aligns layers, heads or widths, against the paper's formula in NumPy, term by term."""

import numpy as np
import pytest
import torch

from distill.activations import capture, prepare
from distill.objectives import OBJECTIVES
from distill.shapes import shape_of
from tests.reference import losses as reference

LENGTHS = [4, 9, 6]
MAP = [1, 3]
"""The teacher's layers, from 0, for the student's two."""


def _models(bert, heads):
    return bert(seed=1, layers=2, hidden=16, heads=heads), bert(layers=4, hidden=32, heads=4)


def _observed(name, student, teacher, **settings):
    kind = OBJECTIVES[name]
    torch.manual_seed(3)
    objective = kind(kind.Settings(**settings), shape_of(student), shape_of(teacher))
    needs = objective.student_needs(), objective.teacher_needs()
    for model, needed in zip((student, teacher), needs, strict=True):
        prepare(model, needed)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    ids = torch.randint(5, 120, mask.shape, generator=torch.Generator().manual_seed(2))
    inputs = {"input_ids": ids, "attention_mask": mask}
    with torch.no_grad():
        ours, theirs = (
            capture(model.eval(), inputs, each) for model, each in zip((student, teacher), needs, strict=True)
        )
        return objective, ours, theirs, float(objective(ours, theirs, mask, None))


def _last(layers):
    return layers[max(layers)]


def _numbers(tensor):
    return tensor.double().numpy()


def _through(projection, states):
    return _numbers(states) @ _numbers(projection.weight.detach()).T + _numbers(projection.bias.detach())


def _close(value, expected):
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-6)


def _layer_terms(objective, ours, theirs, formula):
    return np.mean(
        [
            formula(
                _through(objective.projections[i], ours.hidden_states[i + 1]), _numbers(theirs.hidden_states[j + 1])
            )
            for i, j in enumerate(MAP)
        ]
    )


def test_embeddings(bert):
    objective, ours, theirs, value = _observed("embedding_mse", *_models(bert, 2))
    state = _through(objective.projections[0], ours.hidden_states[0])
    _close(value, reference.tinybert_hidden(state, _numbers(theirs.hidden_states[0]), LENGTHS))


def test_hidden_states(bert):
    objective, ours, theirs, value = _observed("hidden_mse", *_models(bert, 2), layers=MAP)
    _close(value, _layer_terms(objective, ours, theirs, lambda s, t: reference.tinybert_hidden(s, t, LENGTHS)))


def test_the_last_hidden_states_cosine(bert):
    objective, ours, theirs, value = _observed("hidden_cosine", *_models(bert, 2))
    state = _through(objective.projections[0], _last(ours.hidden_states))
    _close(value, reference.distilbert_cosine(state, _numbers(_last(theirs.hidden_states)), LENGTHS))


@pytest.mark.parametrize("heads", [2, 4])
def test_attention_scores(bert, heads):
    _, ours, theirs, value = _observed("attention_mse", *_models(bert, heads), layers=MAP)
    terms = [
        reference.tinybert_attention(
            _numbers(ours.attention_scores[i]),
            reference.mean_scores(_numbers(theirs.attention_scores[j]), 4 // heads),
            LENGTHS,
        )
        for i, j in enumerate(MAP)
    ]
    _close(value, np.mean(terms))


@pytest.mark.parametrize("parts", [(1.0, 50.0, 0.05), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_feature_maps(bert, parts):
    weights = dict(zip(("distance", "mean", "variance"), parts, strict=True))
    objective, ours, theirs, value = _observed("feature_maps", *_models(bert, 2), layers=MAP, **weights)

    def formula(student, teacher):
        return np.dot(parts, reference.mobilebert_feature_maps(student, teacher, LENGTHS))

    _close(value, _layer_terms(objective, ours, theirs, formula))
    assert value > 0


@pytest.mark.parametrize("heads", [2, 4])
def test_attention_transfer(bert, heads):
    _, ours, theirs, value = _observed("attention_transfer", *_models(bert, heads), layers=MAP)
    terms = [
        reference.divergence(
            reference.mean_attention(_numbers(ours.attention_scores[i]), LENGTHS, 1),
            reference.mean_attention(_numbers(theirs.attention_scores[j]), LENGTHS, 4 // heads),
        )
        for i, j in enumerate(MAP)
    ]
    _close(value, np.mean(terms))


def test_attention_divergence_of_a_chosen_layer(bert):
    _, ours, theirs, value = _observed("attention_divergence", *_models(bert, 4), layer=2)
    scores = (_numbers(_last(ours.attention_scores)), _numbers(theirs.attention_scores[2]))
    _close(value, reference.minilm_attention(*scores, LENGTHS))


@pytest.mark.parametrize(
    ("name", "kind"), [("query_relation", "queries"), ("key_relation", "keys"), ("value_relation", "values")]
)
def test_relations_with_other_heads(bert, name, kind):
    _, ours, theirs, value = _observed(name, *_models(bert, 2), relation_heads=8, layer=1)
    vectors = (_numbers(_last(getattr(ours, kind))), _numbers(getattr(theirs, kind)[1]))
    _close(value, reference.minilmv2_relation(*vectors, LENGTHS, 8))


def test_patient_states(bert):
    objective, ours, theirs, value = _observed("patient_states", *_models(bert, 2), layers=MAP)
    first = _through(objective.projections[0], ours.hidden_states[1][:, 0])
    _close(value, reference.pkd_patient(first, _numbers(theirs.hidden_states[2][:, 0])))
