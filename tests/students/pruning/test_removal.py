import pytest
import torch

from students.anatomy import anatomy
from students.factorised import factorise
from students.pruning import removal
from students.pruning.kept import Kept
from students.pruning.removal import removed
from students.pruning.sizes import LayerSizes, Sizes, encoder_parameters, sizes_of
from tests.students.models import classifier, logits
from tests.students.pruning.labelled import FAMILIES, labelled

ALL = tuple(range(32))
HEADS = ((0, 2), (1,), (0, 1, 2, 3), (0, 1, 3))
NEURONS = (tuple(range(8)), tuple(range(10, 34)), tuple(range(64)), tuple(range(1, 64, 2)))


def _kept(hidden=ALL, layers=(0, 1, 2, 3), head=None):
    return Kept(
        hidden=hidden,
        layers=layers,
        heads=tuple(HEADS[x] for x in layers),
        feed_forward=tuple(NEURONS[x] for x in layers),
        head=ALL if head is None else head,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_removal_equals_masking(family):
    model, texts = classifier(family), labelled(2)
    smaller = removed(model, _kept())
    with torch.no_grad():
        for layer, heads, neurons in zip(anatomy(model).layers, HEADS, NEURONS, strict=True):
            for head in set(range(4)) - set(heads):
                layer.output.weight[:, 8 * head : 8 * head + 8] = 0
            layer.feed_forward_out.weight[:, sorted(set(range(64)) - set(neurons))] = 0
    torch.testing.assert_close(logits(smaller, texts), logits(model, texts), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_of_a_table_in_two_factors_the_projections_rows_go(family):
    """The narrow table stays; of electra's narrow embeddings, nothing of the words goes at all."""
    model, texts = factorise(classifier(family), 6), labelled(2)
    stream = tuple(range(1, 32, 2))
    kept = _kept(stream, (0, 2), tuple(range(16)))
    smaller = removed(model, kept)
    ours, theirs = smaller.get_input_embeddings(), model.get_input_embeddings()
    assert torch.equal(ours.weight, theirs.weight)
    rows = theirs.projection.weight if family == "electra-narrow" else theirs.projection.weight[list(stream)]
    assert torch.equal(ours.projection.weight, rows)
    assert logits(smaller, texts).shape == (sum(len(each["input_ids"]) for each in texts), 2)
    whole = removed(factorise(classifier(family), 16 if family == "electra-narrow" else 32), kept)
    plain = removed(classifier(family), kept)
    torch.testing.assert_close(logits(whole, texts), logits(plain, texts), atol=1e-3, rtol=0)


def test_sizes_by_hand():
    model = classifier("bert")
    smaller = removed(model, _kept(hidden=tuple(range(16)), layers=(0, 3), head=tuple(range(16, 32))))
    assert sizes_of(smaller) == Sizes(16, 0, (LayerSizes(2, 8, 8), LayerSizes(3, 8, 32)))
    first = 3 * (16 * 16 + 16) + 16 * 16 + 16 + 16 * 8 + 8 + 8 * 16 + 16 + 4 * 16
    second = 3 * (16 * 24 + 24) + 24 * 16 + 16 + 16 * 32 + 32 + 32 * 16 + 16 + 4 * 16
    embeddings = (120 + 40 + 2 + 2) * 16
    head = 16 * 16 + 16 + 16 * 2 + 2
    assert sum(x.numel() for x in smaller.parameters()) == embeddings + first + second + head
    assert encoder_parameters(sizes_of(smaller)) == first + second


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_is_a_part_of_the_whole_models(family):
    model, stream, width = classifier(family), torch.arange(1, 32, 2), torch.arange(16)
    smaller = removed(model, _kept(tuple(stream.tolist()), (1, 2), tuple(width.tolist())))
    ours, theirs = anatomy(smaller), anatomy(model)
    narrow = family == "electra-narrow"
    columns = torch.arange(16) if narrow else stream
    assert torch.equal(ours.word_embeddings.weight, theirs.word_embeddings.weight[:, columns])
    assert torch.equal(ours.position_embeddings.weight, theirs.position_embeddings.weight[:, columns])
    if ours.token_type_embeddings is not None:
        assert torch.equal(ours.token_type_embeddings.weight, theirs.token_type_embeddings.weight[:, columns])
    if narrow:
        assert torch.equal(ours.embedding_projection.weight, theirs.embedding_projection.weight[stream])
    layer, source = ours.layers[0], theirs.layers[1]
    channels, neurons = torch.arange(8, 16), torch.tensor(NEURONS[1])
    for name in ("query", "key", "value"):
        assert torch.equal(getattr(layer, name).weight, getattr(source, name).weight[channels][:, stream])
        assert torch.equal(getattr(layer, name).bias, getattr(source, name).bias[channels])
    assert torch.equal(layer.output.weight, source.output.weight[stream][:, channels])
    assert torch.equal(layer.feed_forward_in.weight, source.feed_forward_in.weight[neurons][:, stream])
    assert torch.equal(layer.feed_forward_out.weight, source.feed_forward_out.weight[stream][:, neurons])
    assert torch.equal(layer.feed_forward_norm.weight, source.feed_forward_norm.weight[stream])
    assert torch.equal(ours.head[0].linear.weight, theirs.head[0].linear.weight[width][:, stream])
    assert torch.equal(ours.head[1].linear.weight, theirs.head[1].linear.weight[:, width])


def test_the_given_model_stays_as_it_is():
    model, texts = classifier("electra"), labelled(1)
    before, sizes = logits(model, texts), sizes_of(model)
    removed(model, _kept(tuple(range(8)), (0, 2), tuple(range(8))))
    assert torch.equal(logits(model, texts), before)
    assert sizes_of(model) == sizes
    assert model.config.num_hidden_layers == 4


def test_a_pruned_model_learns():
    smaller = removed(classifier("roberta"), _kept())
    smaller(**labelled(1)[0]).loss.backward()
    weight = anatomy(smaller).layers[0].query.weight
    assert weight.grad.shape == (16, 32)
    assert weight.grad.abs().sum() > 0


@pytest.mark.parametrize("forgotten", ["attention", "feed_forward", "hidden", "head"])
def test_nothing_is_left_out_silently(forgotten, monkeypatch):
    """A group of coupled channels that misses some is the trap of tracing a model."""
    whole = removal.remove_channels

    def partly(model, attention, feed_forward, hidden, head):
        wanted = {"attention": attention, "feed_forward": feed_forward, "hidden": hidden, "head": head}
        wanted[forgotten] = [()] * 4 if forgotten in {"attention", "feed_forward"} else ()
        whole(model, **wanted)

    monkeypatch.setattr(removal, "remove_channels", partly)
    with pytest.raises(RuntimeError, match="after pruning, and should be"):
        removed(classifier("bert"), _kept(tuple(range(16)), head=tuple(range(16))))
