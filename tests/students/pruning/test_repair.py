import pytest
import torch

from students.anatomy import anatomy
from students.forward import texts_of
from students.pruning.importance import importance_of
from students.pruning.kept import Kept, strongest_of
from students.pruning.planning import by_ratios
from students.pruning.removal import removed
from students.pruning.repair import repair
from students.pruning.sizes import sizes_of
from tests.students.models import classifier, logits
from tests.students.pruning.labelled import FAMILIES, labelled

RATIOS = ({"heads": 0.5, "feed_forward": 0.5}, {"hidden": 0.25}, {"layers": 0.5})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_lost_nothing_stays_as_it_is(family):
    model, texts = classifier(family), labelled(3)
    sizes = sizes_of(model)
    kept = strongest_of(importance_of(model, [], "magnitude"), sizes, range(4))
    smaller = removed(model, kept)
    repair(anatomy(smaller), anatomy(model), kept, texts_of(texts))
    torch.testing.assert_close(logits(smaller, texts), logits(model, texts), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ratios", RATIOS)
def test_repair_brings_the_logits_nearer_on_other_text(family, ratios):
    model, texts, others = classifier(family), labelled(16), labelled(4, seed=1)
    sizes = sizes_of(model)
    layers = (0, 2) if "layers" in ratios else range(4)
    wanted = by_ratios(sizes, ratios, final=True)
    wanted = type(wanted)(wanted.hidden, wanted.embedding, tuple(wanted.layers[x] for x in layers))
    kept = strongest_of(importance_of(model, texts[:2], "taylor"), wanted, layers)
    smaller, expected = removed(model, kept), logits(model, others)
    before = (logits(smaller, others) - expected).square().mean()
    repair(anatomy(smaller), anatomy(model), kept, texts_of(texts))
    assert (logits(smaller, others) - expected).square().mean() < 0.8 * before


def test_neurons_that_others_can_stand_for_cost_nothing():
    """Each neuron twice: without the copies the rest gives all of it back."""
    model, texts = classifier("bert"), labelled(8)
    with torch.no_grad():
        for layer in anatomy(model).layers:
            layer.feed_forward_in.weight[32:] = layer.feed_forward_in.weight[:32]
            layer.feed_forward_in.bias[32:] = layer.feed_forward_in.bias[:32]
    every = tuple(range(32))
    kept = Kept(every, (0, 1, 2, 3), ((0, 1, 2, 3),) * 4, (every,) * 4, every)
    smaller, expected = removed(model, kept), logits(model, texts)
    assert (logits(smaller, texts) - expected).abs().max() > 0.1
    repair(anatomy(smaller), anatomy(model), kept, texts_of(texts))
    torch.testing.assert_close(logits(smaller, texts), expected, atol=0.05, rtol=0)
