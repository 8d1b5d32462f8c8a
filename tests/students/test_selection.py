import torch

from students import selection
from students.anatomy import anatomy
from students.forward import embed, run_layer, texts_of
from students.selection import covariance, heads, layer_importance, neurons, reduce_head, strongest
from tests.students.models import HIDDEN, batches, classifier


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def scores(query, key):
    """Pre-softmax scores without what the softmax ignores."""
    products = query @ key.T / query.shape[1] ** 0.5
    return products - products.mean(1, keepdim=True)


def test_strongest_keeps_the_teachers_order():
    assert strongest(torch.tensor([3.0, 9.0, 1.0, 7.0]), 3).tolist() == [0, 1, 3]


def test_covariance_by_hand():
    assert covariance(torch.tensor([[1.0, 2.0], [3.0, 6.0]])).tolist() == [[1.0, 2.0], [2.0, 4.0]]


def test_a_head_that_uses_few_directions_loses_nothing():
    mixing = numbers(3, 8)
    query, key, context = numbers(50, 8), numbers(50, 3, seed=1) @ mixing + 5.0, numbers(50, 3, seed=2) @ mixing
    output = numbers(12, 8, seed=3)
    maps = reduce_head(query, key, context, output, 3)
    reduced = scores(query @ maps.query.T, key @ maps.key.T)
    torch.testing.assert_close(reduced, scores(query, key), atol=1e-3, rtol=1e-3)
    centred = context - context.mean(0)
    restored = centred @ maps.value.T @ maps.output.T
    torch.testing.assert_close(restored @ output.T, centred @ output.T, atol=1e-3, rtol=1e-3)


def test_the_directions_kept_beat_every_choice_of_coordinates():
    query, key = numbers(200, 4) @ numbers(4, 4, seed=1), numbers(200, 4, seed=2) @ numbers(4, 4, seed=3)
    maps = reduce_head(query, key, numbers(200, 4, seed=4), numbers(6, 4, seed=5), 2)
    exact = scores(query, key)
    ours = (scores(query @ maps.query.T, key @ maps.key.T) - exact).square().mean()
    for pair in torch.combinations(torch.arange(4)):
        chosen = scores(query[:, pair], key[:, pair]) * (2 / 4) ** 0.5
        assert ours < (chosen - exact).square().mean()


def test_a_head_of_the_same_size_is_not_turned():
    maps = reduce_head(numbers(9, 4), numbers(9, 4), numbers(9, 4), numbers(6, 4), 4)
    for matrix in (maps.query, maps.key, maps.value, maps.output):
        assert torch.equal(matrix, torch.eye(4))


def states_of(model):
    parts, texts = anatomy(model), texts_of(batches())
    hidden = embed(parts, texts)
    return parts.layers[0], hidden, run_layer(parts.layers[0], parts.activation, hidden, texts)


@torch.no_grad()
def test_neurons_are_weighed_over_all_tokens(monkeypatch):
    layer, _, states = states_of(classifier("bert"))
    before = states.before_activation
    energy = torch.nn.functional.gelu(before).square().mean(0) * layer.feed_forward_out.weight.square().sum(0)
    monkeypatch.setattr(selection, "TOKENS_AT_ONCE", 3)
    assert neurons(layer, before, "gelu", 10).tolist() == energy.topk(10).indices.sort().values.tolist()


@torch.no_grad()
def test_what_nothing_reads_is_dropped_first():
    model = classifier("bert")
    layer = anatomy(model).layers[0]
    layer.feed_forward_out.weight[:, [3, 17, 40]] = 0
    layer.output.weight[:, 8:16] = 0
    for linear in (layer.query, layer.key, layer.value, layer.feed_forward_in):
        linear.weight[:, [2, 30]] = 0
    layer, hidden, states = states_of(model)
    assert set(range(64)) - set(neurons(layer, states.before_activation, "gelu", 61).tolist()) == {3, 17, 40}
    assert heads(layer, states, 3) == [0, 2, 3]
    dropped = set(range(HIDDEN)) - set(strongest(layer_importance(layer, hidden, states), HIDDEN - 2).tolist())
    assert dropped == {2, 30}
