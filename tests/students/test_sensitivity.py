"""Curvature beside a whole Hessian, and the choice of bits."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from pocketbert.errors import UserError
from students.sensitivity import (
    block_bytes,
    choose_bits,
    largest_eigenvalue,
    layers_of,
    sensitivities,
)
from tests.students.models import batches, classifier


def _data(count=1):
    return [{**batch, "labels": torch.arange(16) % 2} for batch in batches(count, seed=1)]


def _small():
    return classifier("bert", hidden_size=4, num_attention_heads=2, intermediate_size=5, num_hidden_layers=2)


def test_layers_are_those_of_the_encoder():
    found = layers_of(classifier("distilbert"))
    assert list(found) == [f"distilbert.transformer.layer.{number}" for number in range(4)]
    assert {len(each) for each in found.values()} == {6}
    assert "electra.embeddings_project" in layers_of(classifier("electra-narrow"))


def test_power_iteration_beside_the_whole_hessian():
    model, data = _small(), _data(2)
    weight = model.bert.encoder.layer[0].output.dense.weight
    rows = []
    with sdpa_kernel(SDPBackend.MATH):
        loss = torch.stack([model(**batch).loss for batch in data]).mean()
        (first,) = torch.autograd.grad(loss, weight, create_graph=True)
        for number in range(first.numel()):
            (second,) = torch.autograd.grad(first.flatten()[number], weight, retain_graph=True)
            rows.append(second.flatten().numpy())
    values = np.linalg.eigvalsh(np.stack(rows))
    expected = values[np.abs(values).argmax()]
    found = largest_eigenvalue(model, [weight], data, iterations=500, tolerance=1e-7)
    assert found == pytest.approx(expected, rel=0.01)
    assert weight.grad is None


def test_the_sensitivity_is_mean_and_deviation_over_subsets():
    model, subsets = _small(), [[batch] for batch in _data(3)]
    model.train()
    found = sensitivities(model, subsets, iterations=4)
    assert model.training
    model.eval()
    name, linears = next(iter(layers_of(model).items()))
    weights = [linear.weight for linear in linears]
    values = [largest_eigenvalue(model, weights, each, iterations=4) for each in subsets]
    assert len(set(values)) == 3
    assert found[name] == pytest.approx(abs(np.mean(values)) + np.std(values), rel=1e-5)
    assert list(found) == list(layers_of(model))


def test_what_has_no_curvature_is_refused():
    with pytest.raises(UserError, match="needs `labels`"):
        sensitivities(_small(), [batches(1)])
    with pytest.raises(UserError, match="no data"):
        sensitivities(_small(), [[]])


COSTS, SIZES = {"a": 1.0, "b": 9.0, "c": 2.0}, {"a": 320, "b": 320, "c": 640}


def test_bytes_by_hand():
    assert block_bytes(320, 4) == 320 / 2 + 10 * 4 + 10 / 2
    assert block_bytes(320, 8) == 320 + 10 * 4 + 10


def test_the_layers_that_bear_it_have_few_bits():
    whole = sum(block_bytes(size, 8) for size in SIZES.values())
    assert choose_bits(COSTS, SIZES, most_bytes=whole) == {"a": 8, "b": 8, "c": 8}
    assert choose_bits(COSTS, SIZES, most_bytes=whole - 1) == {"a": 4, "b": 8, "c": 8}
    assert choose_bits(COSTS, SIZES, most_bytes=whole - 200) == {"a": 4, "b": 8, "c": 4}
    assert choose_bits(COSTS, SIZES, most_loss=3.5) == {"a": 4, "b": 8, "c": 4}
    assert choose_bits(COSTS, SIZES, most_loss=0) == {"a": 8, "b": 8, "c": 8}


def test_bounds_that_can_not_be_are_refused():
    with pytest.raises(UserError, match="one bound"):
        choose_bits(COSTS, SIZES)
    with pytest.raises(UserError, match="need 820 bytes with 4 bits each"):
        choose_bits(COSTS, SIZES, most_bytes=100)
    with pytest.raises(UserError, match="c has a cost or a size alone"):
        choose_bits(COSTS, {"a": 1, "b": 1}, most_loss=1)
