import numpy as np
import pytest
import torch
from scipy.special import erf

from pocketbert.errors import UserError
from students.anatomy import anatomy
from students.forward import embed, run_layer, texts_of
from students.pruning.importance import importance_of
from tests.students.models import classifier
from tests.students.pruning.labelled import FAMILIES, labelled, padded


def _array(tensor):
    return tensor.detach().double().numpy()


def _norm(x, module):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + module.eps)
    return scaled * _array(module.weight) + _array(module.bias)


def _dense(x, linear):
    return x @ _array(linear.weight).T + _array(linear.bias)


class _LastLayer:
    """The loss of each text as a function of factors on the last layer's heads, neurons and on its change."""

    def __init__(self, model, batch):
        self.parts, texts = anatomy(model), texts_of([batch])
        with torch.no_grad():
            hidden = embed(self.parts, texts)
            for layer in self.parts.layers[:-1]:
                hidden = run_layer(layer, self.parts.activation, hidden, texts).result
            states = run_layer(self.parts.layers[-1], self.parts.activation, hidden, texts)
        self.hidden, self.context = _array(hidden[texts.first]), _array(states.context[texts.first])
        self.labels = batch["labels"].numpy()

    def losses(self, heads=None, neurons=None, change=1.0):
        layer, head = self.parts.layers[-1], self.parts.head
        heads = np.ones(layer.heads) if heads is None else heads
        context = self.context * np.repeat(heads, layer.head_size)
        middle = _norm(self.hidden + _dense(context, layer.output), layer.attention_norm)
        before = _dense(middle, layer.feed_forward_in)
        active = before * 0.5 * (1 + erf(before / np.sqrt(2))) * (1.0 if neurons is None else neurons)
        last = _norm(middle + _dense(active, layer.feed_forward_out), layer.feed_forward_norm)
        last = self.hidden + change * (last - self.hidden)
        logits = _dense(np.tanh(_dense(last, head[0].linear)), head[1].linear)
        log_sums = np.log(np.exp(logits).sum(1))
        return log_sums - logits[np.arange(len(logits)), self.labels]


def _slope(losses, place, count, step=1e-5):
    change = step * (np.arange(count) == place)
    return (((losses(1 + change) - losses(1 - change)) / (2 * step)) ** 2).sum()


def test_taylor_is_the_squared_slope_of_each_texts_loss():
    """Central differences in NumPy, in double precision, over the model's last layer; only the first token counts."""
    model, texts = classifier("bert"), labelled(1, rows=7)
    found, last = importance_of(model, texts, "taylor"), _LastLayer(model, texts[0])
    layer = last.parts.layers[-1]
    heads = [_slope(lambda x: last.losses(heads=x), i, layer.heads) for i in range(layer.heads)]
    neurons = [_slope(lambda x: last.losses(neurons=x), i, 64) for i in range(64)]
    np.testing.assert_allclose(found.heads[-1], heads, rtol=1e-3)
    np.testing.assert_allclose(found.feed_forward[-1], neurons, rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(found.layers[-1], _slope(lambda x: last.losses(change=x[0]), 0, 1), rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_and_batching_change_nothing(family):
    model = classifier(family)
    texts = labelled(2, rows=4)
    first, second = (importance_of(model, each, "taylor") for each in (texts, padded(texts, 7)))
    alone = [{name: values[i : i + 1] for name, values in batch.items()} for batch in texts for i in range(4)]
    third = importance_of(model, alone, "taylor")
    for other in (second, third):
        for name in ("hidden", "layers", "head"):
            torch.testing.assert_close(getattr(other, name), getattr(first, name), rtol=1e-3, atol=1e-5)
        for name in ("heads", "feed_forward"):
            for ours, theirs in zip(getattr(other, name), getattr(first, name), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_dropout_is_off():
    model, texts = classifier("bert"), labelled(1)
    expected = importance_of(model, texts, "taylor")
    model.train()
    torch.testing.assert_close(importance_of(model, texts, "taylor").hidden, expected.hidden)
    assert model.training


def test_measuring_leaves_the_model_as_it_was():
    model = classifier("bert")
    model.bert.embeddings.requires_grad_(False)
    trained = [parameter.requires_grad for parameter in model.parameters()]
    before = {name: values.clone() for name, values in model.state_dict().items()}
    importance_of(model, labelled(1), "taylor")
    importance_of(model, [], "magnitude")
    assert [parameter.requires_grad for parameter in model.parameters()] == trained
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    for name, values in model.state_dict().items():
        assert torch.equal(values, before[name])


def test_magnitude_by_hand():
    model = classifier("distilbert")
    found, layer = importance_of(model, [], "magnitude"), anatomy(model).layers[1]
    squares = [linear.weight.detach().square() for linear in (layer.query, layer.key, layer.value)]
    head = sum(x[8:16].sum() for x in squares) + layer.output.weight.detach()[:, 8:16].square().sum()
    neuron = layer.feed_forward_in.weight[5].square().sum() + layer.feed_forward_out.weight[:, 5].square().sum()
    torch.testing.assert_close(found.heads[1][1], head)
    torch.testing.assert_close(found.feed_forward[1][5], neuron.detach())


def test_text_without_labels_is_refused():
    model = classifier("bert")
    texts = labelled(1)
    del texts[0]["labels"]
    with pytest.raises(UserError, match="needs labels"):
        importance_of(model, texts, "taylor")
    with pytest.raises(UserError, match="needs some text"):
        importance_of(model, [], "taylor")


def test_a_diverged_model_is_refused():
    model = classifier("bert")
    with torch.no_grad():
        anatomy(model).head[1].linear.weight.fill_(float("inf"))
    with pytest.raises(UserError, match="not finite"):
        importance_of(model, labelled(1), "taylor")
