import numpy as np
import pytest
import torch
from torch import nn

from students import regression
from students.regression import fit_linear, ridge


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("strength", [1e-6, 1e-2, 1.0])
def test_ridge_is_the_minimum_of_its_objective(strength):
    inputs, targets = numbers(200, 5).numpy(), numbers(200, 3, seed=1).numpy()
    centred = inputs - inputs.mean(0)
    penalty = strength * (centred**2).mean(0).mean()
    # The same minimum from an ordinary least-squares problem with the penalty as extra rows.
    rows = np.vstack([centred / np.sqrt(200), np.sqrt(penalty) * np.eye(5)])
    values = np.vstack([(targets - targets.mean(0)) / np.sqrt(200), np.zeros((5, 3))])
    expected = np.linalg.lstsq(rows, values, rcond=None)[0].T
    np.testing.assert_allclose(
        ridge(torch.tensor(inputs), torch.tensor(targets), strength), expected, atol=1e-6, rtol=1e-5
    )


def test_rows_in_parts_give_what_they_give_at_once(monkeypatch):
    inputs, targets, known = numbers(100, 5), numbers(100, 3, seed=1), numbers(3, 5, seed=2)
    whole, rest = ridge(inputs, targets), ridge(inputs, targets, known=known)
    monkeypatch.setattr(regression, "ROWS_AT_ONCE", 7)
    torch.testing.assert_close(ridge(inputs, targets), whole, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ridge(inputs, targets, known=known), rest, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ridge(inputs, targets - inputs @ known.T), rest, atol=1e-5, rtol=1e-5)


def test_a_linear_relation_is_found():
    weight, bias, inputs = numbers(3, 5), numbers(3, seed=1), numbers(100, 5, seed=2)
    linear = nn.Linear(5, 3)
    with torch.no_grad():
        fit_linear(linear, torch.zeros(3, 5), torch.zeros(3), inputs, inputs @ weight.T + bias, strength=1e-7)
    torch.testing.assert_close(linear.weight, weight, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(linear.bias, bias, atol=1e-5, rtol=1e-5)


def test_weights_that_hit_their_targets_stay():
    weight, bias, inputs = numbers(3, 5), numbers(3, seed=1), numbers(100, 5, seed=2)
    linear = nn.Linear(5, 3)
    with torch.no_grad():
        fit_linear(linear, weight, bias, inputs, inputs @ weight.T + bias)
    torch.testing.assert_close(linear.weight, weight, atol=1e-6, rtol=0)


def test_a_strong_penalty_keeps_the_weights_and_moves_the_bias_only():
    weight, bias, inputs, targets = numbers(3, 5), numbers(3, seed=1), numbers(100, 5, seed=2), numbers(100, 3, seed=3)
    linear = nn.Linear(5, 3)
    with torch.no_grad():
        fit_linear(linear, weight, bias, inputs, targets, strength=1e9)
        torch.testing.assert_close(linear.weight, weight, atol=1e-6, rtol=0)
        torch.testing.assert_close(linear(inputs).mean(0), targets.mean(0), atol=1e-5, rtol=0)


def test_inputs_that_never_vary_change_nothing():
    assert ridge(torch.ones(10, 4), numbers(10, 2)).abs().max() == 0
