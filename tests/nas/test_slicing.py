import pytest
import torch
from torch.testing import assert_close

from nas.slicing import Slice
from students.anatomy import anatomy
from students.building import build_student
from students.spec import parse_student
from tests.students.models import batches, classifier, logits

FAMILIES = ["bert", "roberta", "electra", "electra-narrow", "distilbert"]
TEXTS = batches(2)


def _spec(family, layers=4, hidden=32, heads=4, feed_forward=64):
    family = family.removesuffix("-narrow")
    return parse_student(f"family={family},layers={layers},hidden={hidden},heads={heads},feed_forward={feed_forward}")


@torch.no_grad()
def _answers(part, texts=TEXTS):
    return torch.cat([part.logits(batch, training=False) for batch in texts])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_slice_of_everything_is_the_whole(family):
    whole = classifier(family)
    assert_close(_answers(Slice(_spec(family), whole)), logits(whole, TEXTS))


@pytest.mark.parametrize("family", FAMILIES)
def test_fewer_neurons_are_those_of_a_whole_whose_others_say_nothing(family):
    part = _answers(Slice(_spec(family, feed_forward=24), classifier(family)))
    silent = classifier(family)
    with torch.no_grad():
        for layer in anatomy(silent).layers:
            layer.feed_forward_out.weight[:, 24:] = 0
    assert_close(part, logits(silent, TEXTS))


@pytest.mark.parametrize("family", FAMILIES)
def test_fewer_layers_are_whole_ones_spread_evenly(family):
    whole = classifier(family)
    part = Slice(_spec(family, layers=2), whole).weights()
    shallow = build_student(_spec(family, layers=2), whole)
    shallow.load_state_dict(part)
    for ours, number in zip(anatomy(shallow).layers, (0, 3), strict=True):
        assert_close(ours.query.weight, anatomy(whole).layers[number].query.weight)
        assert_close(ours.feed_forward_norm.bias, anatomy(whole).layers[number].feed_forward_norm.bias)


def test_narrower_heads_are_the_first_values_of_the_first_heads_by_hand():
    whole = classifier("bert")
    small = build_student(_spec("bert", hidden=12, heads=3), whole)
    small.load_state_dict(Slice(_spec("bert", hidden=12, heads=3), whole).weights())
    ours, theirs = anatomy(small).layers[1], anatomy(whole).layers[1]
    for head in range(3):
        for value in range(4):
            assert_close(ours.query.weight[4 * head + value], theirs.query.weight[8 * head + value, :12])
            assert_close(ours.value.bias[4 * head + value], theirs.value.bias[8 * head + value])
            assert_close(ours.output.weight[:, 4 * head + value], theirs.output.weight[:12, 8 * head + value])
    assert_close(anatomy(small).word_embeddings.weight, anatomy(whole).word_embeddings.weight[:, :12])
    assert_close(small.classifier.weight, whole.classifier.weight[:, :12])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_student_with_the_slices_weights_answers_like_it(family):
    whole, spec = classifier(family), _spec(family, layers=3, hidden=12, heads=3, feed_forward=20)
    part = Slice(spec, whole)
    student = build_student(spec, whole)
    student.load_state_dict(part.weights())
    assert_close(_answers(part), logits(student, TEXTS))


def test_gradients_reach_the_slices_part_of_the_whole_and_no_other():
    whole = classifier("bert")
    Slice(_spec("bert", layers=2, hidden=12, heads=3, feed_forward=20), whole).logits(
        TEXTS[0], training=True
    ).sum().backward()
    layers = anatomy(whole).layers
    inside = layers[0].feed_forward_in.weight.grad
    assert inside[:20, :12].abs().sum() > 0
    assert inside[20:].abs().sum() == inside[:, 12:].abs().sum() == 0
    assert layers[1].query.weight.grad is None
