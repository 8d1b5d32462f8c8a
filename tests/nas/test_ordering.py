import pytest
import torch
from torch.testing import assert_close

from nas.ordering import order
from students.anatomy import anatomy
from tests.students.models import batches, classifier, logits

TEXTS = batches(3)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "electra-narrow", "distilbert"])
def test_a_model_answers_as_before(family):
    model = classifier(family)
    before, weight = logits(model, TEXTS), anatomy(model).layers[0].query.weight.clone()
    order(model, TEXTS)
    assert_close(logits(model, TEXTS), before, rtol=1e-4, atol=1e-5)
    assert not torch.equal(anatomy(model).layers[0].query.weight, weight)


def test_what_says_nothing_comes_last():
    model = classifier("bert")
    with torch.no_grad():
        for layer in anatomy(model).layers:
            layer.output.weight[:, :8] = 0  # the first head
            layer.feed_forward_out.weight[:, :5] = 0
    order(model, TEXTS)
    for layer in anatomy(model).layers:
        assert not layer.output.weight[:, -8:].any()
        assert not layer.feed_forward_out.weight[:, -5:].any()
        assert layer.output.weight[:, :8].any()


def test_ordering_again_changes_nothing():
    model = classifier("bert")
    order(model, TEXTS)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    order(model, TEXTS)
    assert_close(model.state_dict(), before, rtol=0, atol=0)
