import pytest
import torch

from pocketbert.errors import DoesNotFit
from students.units import rescale
from tests.students.models import classifier


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "electra"])
def test_answers_change_by_scale_and_shift(family):
    model = classifier(family, num_labels=1).eval()
    ids = torch.arange(5, 25).reshape(2, 10)
    with torch.no_grad():
        before = model(ids).logits
        rescale(model, 250.0, -3.0)
        after = model(ids).logits
    torch.testing.assert_close(after, 250.0 * before - 3.0, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("head", [torch.nn.Linear(4, 2), torch.nn.Linear(4, 1, bias=False)])
def test_a_model_without_such_a_head_is_refused(head):
    with pytest.raises(DoesNotFit, match="no linear layer of one output with a bias"):
        rescale(torch.nn.Sequential(head), 2.0, 1.0)
