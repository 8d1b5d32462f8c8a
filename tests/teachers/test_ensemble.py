import numpy as np
import pytest
import torch
from scipy.special import softmax

from distill.activations import ATTENTION_SCORES, HIDDEN_STATES, LOGITS, capture, prepare
from teachers.ensemble import Ensemble, average
from tests.students.models import classifier

IDS = torch.randint(5, 100, (3, 9), generator=torch.Generator().manual_seed(0))
INPUTS = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS), "token_type_ids": torch.zeros_like(IDS)}


def test_distributions_are_averaged_by_hand():
    # 0.9 and 0.1 beside 0.5 and 0.5: 0.7 and 0.3
    logits = [torch.tensor([[0.9, 0.1]]).log() + 3, torch.tensor([[0.5, 0.5]]).log()]
    mean = average(logits, [1, 1], regression=False)
    torch.testing.assert_close(mean.exp(), torch.tensor([[0.7, 0.3]]))


@pytest.mark.parametrize("weights", [(1, 1, 1), (2.0, 0.5, 1.0)])
def test_weighted_average_is_that_of_numpy(weights):
    logits = torch.randn(3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 4
    expected = np.average(softmax(logits.numpy(), -1), axis=0, weights=weights)
    np.testing.assert_allclose(
        softmax(average(list(logits), weights, regression=False).numpy(), -1), expected, rtol=1e-9
    )


def test_values_of_a_regression_are_averaged_themselves():
    mean = average([torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [-2.0]])], [3, 1], regression=True)
    torch.testing.assert_close(mean, torch.tensor([[1.5], [1.0]]))


def test_one_teacher_twice_is_that_teacher():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    twice = average([logits, logits], [1, 2], regression=False)
    torch.testing.assert_close(twice.softmax(-1), logits.softmax(-1))


def test_the_first_member_is_seen_from_inside_and_all_are_heard():
    first, second = classifier("bert", seed=0), classifier("bert", seed=1)
    ensemble, needs = Ensemble([first, second], [1, 1]), dict.fromkeys((LOGITS, HIDDEN_STATES, ATTENTION_SCORES))
    prepare(ensemble, needs)
    with torch.no_grad():
        seen, alone = capture(ensemble, INPUTS, needs), capture(first, INPUTS, needs)
        both = [model(**INPUTS).logits.softmax(-1) for model in (first, second)]
    for name in (HIDDEN_STATES, ATTENTION_SCORES):
        assert len(seen.layers(name)) == len(alone.layers(name))
        assert all(
            torch.equal(a, b) for a, b in zip(seen.layers(name).values(), alone.layers(name).values(), strict=True)
        )
    torch.testing.assert_close(seen.logits.softmax(-1), torch.stack(both).mean(0))


def test_members_of_other_families_get_what_they_take():
    ensemble = Ensemble([classifier("bert"), classifier("distilbert")], [1, 1])
    with torch.no_grad():
        assert ensemble(**INPUTS).logits.softmax(-1).sum().item() == pytest.approx(3)
