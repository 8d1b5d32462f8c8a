from dataclasses import replace

import pytest
import torch

from benchmarks.flops import layer_flops as counted_layer
from pocketbert.errors import DoesNotFit
from students.anatomy import anatomy
from students.pruning.importance import Importance, importance_of
from students.pruning.planning import by_ratios, check_target, depth_by_ratio, least, planned
from students.pruning.sizes import LayerSizes, Sizes, encoder_flops, encoder_parameters, sizes_of
from students.pruning.targets import DIMENSIONS, parse_target
from tests.students.models import classifier
from tests.students.pruning.labelled import FAMILIES, labelled


def _importance(heads, neurons, hidden=None, layers=None):
    return Importance(
        heads=tuple(torch.tensor(x) for x in heads),
        feed_forward=tuple(torch.tensor(x) for x in neurons),
        hidden=torch.ones(16) if hidden is None else torch.tensor(hidden),
        layers=torch.ones(len(heads)) if layers is None else torch.tensor(layers),
        head=torch.ones(16),
    )


def _two_layers(heads=2, feed_forward=16):
    return Sizes(16, 0, (LayerSizes(heads, 8, feed_forward),) * 2)


def test_operations_and_parameters_are_those_of_the_model():
    model = classifier("electra")
    layers = anatomy(model).layers
    assert encoder_flops(sizes_of(model), 50) == sum(counted_layer(layer, 50) for layer in layers)
    encoder = model.electra.encoder
    assert encoder_parameters(sizes_of(model)) == sum(x.numel() for x in encoder.parameters())


def test_the_cheapest_part_for_what_it_saves_goes_first():
    """By hand: 8 neurons save 2 * 16 * 8 = 256 of weights and 8 of biases, a head 4 * 16 * 8 and 24."""
    sizes = _two_layers()
    eights = [[5.0] * 8 + [1.0] * 8, [1.0] * 16]
    importance = _importance([[9.0, 30.0], [40.0, 50.0]], eights)
    whole = encoder_parameters(sizes)
    kept = planned(sizes, importance, "parameters", whole - 536, ("heads", "feed_forward"))
    # 8 / 264 for the first layer's last neurons and the second's, 9 / 536 for the first layer's first head.
    assert kept.heads == ((1,), (0, 1))
    assert kept.feed_forward == (tuple(range(16)),) * 2
    kept = planned(sizes, importance, "parameters", whole - 537, ("heads", "feed_forward"))
    assert kept.heads == ((1,), (0, 1))
    assert kept.feed_forward == (tuple(range(8)), tuple(range(16)))


def test_a_part_that_would_save_too_much_waits():
    importance = _importance([[1.0, 30.0], [40.0, 50.0]], [[1.0] * 16, [9.0] * 16])
    whole = encoder_parameters(_two_layers())
    kept = planned(_two_layers(), importance, "parameters", whole - 264, ("heads", "feed_forward"))
    assert kept.heads == ((0, 1), (0, 1))
    assert [len(neurons) for neurons in kept.feed_forward] == [8, 16]


def test_a_layer_goes_with_everything_in_it():
    importance = _importance([[3.0, 4.0], [5.0, 6.0]], [[7.0] * 16, [8.0] * 16], layers=[2.0, 1.0])
    kept = planned(_two_layers(), importance, "flops", encoder_flops(_two_layers()) / 2, ("layers",))
    assert kept.layers == (0,)
    assert kept.heads == ((0, 1),)


def test_hidden_dimensions_go_eight_at_a_time():
    importance = _importance([[3.0, 4.0]] * 2, [[7.0] * 16] * 2, hidden=[1.0, 5.0] * 8)
    kept = planned(_two_layers(), importance, "flops", encoder_flops(_two_layers()) - 1, ("hidden",))
    assert kept.hidden == tuple(range(1, 16, 2))
    assert len(kept.head) == 8


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("measure", ["flops", "parameters"])
def test_the_target_is_met_and_something_stays_everywhere(family, share, measure):
    model, cost = classifier(family), {"flops": encoder_flops, "parameters": encoder_parameters}[measure]
    before = sizes_of(model)
    importance = importance_of(model, labelled(1), "taylor")
    kept = planned(before, importance, measure, (1 - share) * cost(before), DIMENSIONS)
    after = kept.sizes(before)
    assert (1 - share) - 0.05 <= cost(after) / cost(before) <= 1 - share
    assert after.hidden >= 8
    assert all(layer.heads >= 1 and layer.feed_forward >= 8 and layer.feed_forward % 8 == 0 for layer in after.layers)
    assert len(kept.hidden) == after.hidden


def test_layers_differ():
    """The choice is one of all layers together: a layer that matters less loses more."""
    model = classifier("bert")
    importance = importance_of(model, labelled(2), "taylor")
    weaker = replace(importance, feed_forward=(importance.feed_forward[0] / 100, *importance.feed_forward[1:]))
    sizes = sizes_of(model)
    kept = planned(sizes, weaker, "flops", 0.8 * encoder_flops(sizes), ("feed_forward",))
    counts = [len(neurons) for neurons in kept.feed_forward]
    assert counts[0] == min(counts) == 8


def test_the_nearest_that_can_be_reached_is_said():
    sizes = sizes_of(classifier("bert"))
    smallest = encoder_flops(least(sizes, ("heads",))) / encoder_flops(sizes)
    with pytest.raises(DoesNotFit, match=r"flops=0\.9 can't be reached with heads: at most (0\.\d+)") as error:
        check_target(sizes, parse_target("0.9:dimensions=heads"))
    nearest = float(str(error.value).split("at most ")[1].split()[0])
    assert 0 < 1 - smallest - nearest < 0.001
    check_target(sizes, parse_target(f"{nearest}:dimensions=heads"))
    importance = importance_of(classifier("bert"), [], "magnitude")
    planned(sizes, importance, "flops", (1 - nearest) * encoder_flops(sizes), ("heads",))
    with pytest.raises(DoesNotFit, match="is the least with heads"):
        planned(sizes, importance, "flops", 1.0, ("heads",))


def test_ratios_by_hand():
    sizes = Sizes(32, 0, (LayerSizes(4, 8, 64), LayerSizes(3, 8, 30)))
    ratios = {"heads": 0.5, "feed_forward": 0.3, "hidden": 0.25}
    after = by_ratios(sizes, ratios, final=True)
    # 0.7 of eight groups of eight neurons is 5.6, of 30 neurons 21; half of 3 heads is 1.5, rounded to the even 2.
    assert after == Sizes(24, 0, (LayerSizes(2, 8, 48), LayerSizes(2, 8, 21)))
    assert depth_by_ratio(6, {"layers": 0.33}, final=True) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("heads=0.9", r"heads=0\.9 leaves nothing of 4: give at most 0\.75, which leaves 1"),
        ("layers=0.95", r"layers=0\.95 leaves nothing of 4: give at most 0\.75"),
        ("hidden=0.99", r"hidden=0\.99 leaves nothing of 32: give at most 0\.75, which leaves 8"),
        ("feed_forward=0.95", r"leaves nothing of 64: give at most 0\.875, which leaves 8"),
        ("heads=0.05", r"heads=0\.05 removes nothing of 4: give at least 0\.25"),
    ],
)
def test_ratios_that_leave_or_remove_nothing_are_refused(text, message):
    with pytest.raises(DoesNotFit, match=message):
        check_target(sizes_of(classifier("bert")), parse_target(text))


def test_an_early_round_may_remove_nothing():
    first, *_, last = parse_target("heads=0.25:rounds=4").steps()
    check_target(sizes_of(classifier("bert")), first)
    check_target(sizes_of(classifier("bert")), last)
