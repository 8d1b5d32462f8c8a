"""Losses against literals, the papers' formulas in NumPy, and the properties they must keep."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from distill import losses
from tests.reference import losses as reference

LENGTHS = (5, 2, 1)


def _random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def _mask(length=5):
    return torch.tensor([[1] * n + [0] * (length - n) for n in LENGTHS])


def test_soft_targets_by_hand():
    # softmax(ln 3, 0) = (3/4, 1/4) against (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2)
    student, teacher = torch.zeros(1, 2), torch.tensor([[math.log(3.0), 0.0]])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert losses.soft_targets(student, teacher).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
def test_soft_targets_equal_the_paper(temperature):
    student, teacher = _random(6, 3), 2 * _random(3, 6).T
    ours = losses.soft_targets(torch.tensor(student), torch.tensor(teacher), temperature)
    assert ours.item() == pytest.approx(reference.hinton(student, teacher, temperature), abs=1e-6)


def test_soft_targets_are_zero_when_student_is_teacher():
    logits = torch.tensor(_random(4, 5))
    assert losses.soft_targets(logits, logits, 3.0).item() == pytest.approx(0, abs=1e-9)


def test_high_temperature_gradient_is_that_of_matching_logits():
    """Hinton et al., section 2.1: times T², dC/dz -> (z - v) / N for zero-mean logits; without T² it vanishes."""
    student, teacher = torch.tensor(_random(1, 4)), torch.tensor(_random(4, 1).T)
    student, teacher = student - student.mean(), teacher - teacher.mean()
    student.requires_grad_()
    losses.soft_targets(student, teacher, 1e4).backward()
    expected = (student.detach() - teacher) / student.shape[1]
    assert torch.allclose(student.grad, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_t_squared_scales_the_gradient(temperature):
    student = torch.tensor(_random(3, 4), requires_grad=True)
    teacher = torch.tensor(_random(4, 3).T)
    losses.soft_targets(student, teacher, temperature).backward()
    soft = (F.softmax(student.detach() / temperature, -1) - F.softmax(teacher / temperature, -1)) / temperature
    assert torch.allclose(student.grad, temperature**2 * soft / 3, atol=1e-9)


def test_hard_labels_equal_the_formula_and_skip_unlabelled_rows():
    logits, labels = _random(5, 3), [2, -100, 0, -100, 1]
    ours = losses.hard_labels(torch.tensor(logits), torch.tensor(labels))
    assert ours.item() == pytest.approx(reference.cross_entropy(logits, labels), abs=1e-6)


def test_a_batch_without_any_label_costs_nothing():
    logits = torch.randn(3, 2, requires_grad=True)
    loss = losses.hard_labels(logits, torch.full((3,), -100))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_hard_values_by_hand():
    values, targets = torch.tensor([[1.0], [5.0], [3.0]]), torch.tensor([3.0, math.nan, 2.0])
    assert losses.hard_values(values, targets).item() == pytest.approx((4 + 0 + 1) / 3)


def test_hard_values_gradient_ignores_missing_targets():
    values = torch.ones(2, 1, requires_grad=True)
    losses.hard_values(values, torch.tensor([math.nan, 0.0])).backward()
    assert values.grad.flatten().tolist() == [0.0, 1.0]


def test_soft_values_by_hand():
    assert losses.soft_values(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [2.0]])).item() == pytest.approx(2.0)


TOKEN_LOSSES = {
    "hidden_mse": (losses.hidden_mse, reference.tinybert_hidden, (3, 5, 7)),
    "hidden_cosine": (losses.hidden_cosine, reference.distilbert_cosine, (3, 5, 7)),
    "attention_mse": (losses.attention_mse, reference.tinybert_attention, (3, 2, 5, 5)),
    "attention_divergence": (losses.attention_divergence, reference.minilm_attention, (3, 2, 5, 5)),
}


@pytest.mark.parametrize("name", TOKEN_LOSSES)
def test_token_losses_equal_the_papers(name):
    ours, paper, shape = TOKEN_LOSSES[name]
    student, teacher = _random(*shape), _random(*shape[::-1]).T.copy()
    value = ours(torch.tensor(student), torch.tensor(teacher), _mask())
    assert value.item() == pytest.approx(paper(student, teacher, LENGTHS), abs=1e-6)


@pytest.mark.parametrize("name", TOKEN_LOSSES)
def test_token_losses_are_zero_when_student_is_teacher(name):
    ours, _, shape = TOKEN_LOSSES[name]
    same = torch.tensor(_random(*shape))
    assert ours(same, same, _mask()).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", TOKEN_LOSSES)
def test_padding_changes_nothing(name):
    ours, _, shape = TOKEN_LOSSES[name]
    student, teacher = torch.tensor(_random(*shape)), torch.tensor(_random(*shape[::-1]).T.copy())
    pad = (0, 3, 0, 3) if len(shape) == 4 else (0, 0, 0, 3)
    padded = [F.pad(tensor, pad, value=value) for tensor, value in ((student, 9.0), (teacher + 1, -4.0))]
    assert ours(*padded, F.pad(_mask(), (0, 3))).item() == pytest.approx(ours(student, teacher + 1, _mask()).item())


@pytest.mark.parametrize("name", TOKEN_LOSSES)
def test_a_batch_of_padding_alone_is_zero_and_finite(name):
    ours, _, shape = TOKEN_LOSSES[name]
    student, teacher = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    assert ours(student, teacher, torch.ones(shape[0], shape[-2])).item() > 0
    assert ours(student, teacher, torch.zeros(shape[0], shape[-2])).item() == 0


def test_attention_divergence_by_hand():
    # One head, two tokens: the teacher's rows are (3/4, 1/4) and (1/2, 1/2), the student's are even.
    student, teacher = torch.zeros(1, 1, 2, 2), torch.tensor([[[[math.log(3.0), 0.0], [0.0, 0.0]]]])
    expected = (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    assert losses.attention_divergence(student, teacher, torch.ones(1, 2)).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("heads", [1, 2, 4, 12])
def test_relations_equal_the_paper_whatever_the_models_heads(heads):
    student, teacher = _random(3, 4, 5, 3), _random(3, 2, 5, 12)
    scores = (losses.relation_scores(torch.tensor(vectors), heads) for vectors in (student, teacher))
    value = losses.attention_divergence(*scores, _mask())
    assert value.item() == pytest.approx(reference.minilmv2_relation(student, teacher, LENGTHS, heads), abs=1e-6)


def test_normalised_distance_by_hand_and_by_the_paper():
    assert losses.normalised_distance(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])).item() == pytest.approx(2)
    student, teacher = _random(4, 6), _random(6, 4).T
    value = losses.normalised_distance(torch.tensor(student), torch.tensor(teacher))
    assert value.item() == pytest.approx(reference.pkd_patient(student, teacher), abs=1e-6)


def test_feature_maps_equal_the_paper():
    student, teacher = _random(3, 5, 6), 2 * _random(3, 5, 6)[::-1].copy() + 1
    got = losses.feature_maps(torch.tensor(student), torch.tensor(teacher), _mask())
    expected = reference.mobilebert_feature_maps(student, teacher, LENGTHS)
    assert [part.item() for part in got] == pytest.approx(expected, abs=1e-6)


def test_normalised_feature_maps_do_not_see_scale_and_shift():
    states = torch.tensor(_random(3, 5, 64))
    distance, means, variances = losses.feature_maps(3 * states + 2, states, _mask())
    assert distance.item() == pytest.approx(0, abs=1e-4)
    assert means.item() > 0.1
    assert variances.item() > 0.1


def test_mean_attention_is_the_mean_of_the_distributions():
    scores = _random(3, 6, 5, 5)
    got = losses.mean_attention(torch.tensor(scores), _mask(), 3).exp().numpy()
    expected = reference.mean_attention(scores, LENGTHS, 3)
    for b, length in enumerate(LENGTHS):
        for head in range(2):
            for i in range(length):
                assert got[b, head, i, :length] == pytest.approx(expected[b][head][i], abs=1e-9)
                assert got[b, head, i, length:].sum() == 0
