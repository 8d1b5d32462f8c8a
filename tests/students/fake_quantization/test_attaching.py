"""A model that rounds: what stays as it was, how ranges are followed, and what it computes."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from pocketbert.errors import UserError
from pocketbert.factorised import FactorisedEmbedding
from students.factorised import factorise
from students.fake_quantization import (
    Settings,
    attach,
    detach,
    is_attached,
    load_ranges,
    ranges_of,
    read_ranges,
    write_ranges,
)
from students.fake_quantization.layers import QuantizedLinear
from students.quantized_parts import encoder_linears
from tests.students.models import batches, classifier, logits

FAMILIES = ("bert", "roberta", "electra-narrow", "distilbert")


def _ready(family="bert", **settings):
    model = attach(classifier(family), Settings(**settings))
    _follow(model)
    return model


def _follow(model):
    model.train()
    with torch.no_grad():
        model(**batches(1)[0])
    model.eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_state_keeps_its_names_and_the_answers_move_a_little(family):
    plain = classifier(family)
    model = _ready(family)
    assert list(model.state_dict()) == list(plain.state_dict())
    other = attach(classifier(family, seed=1))
    other.load_state_dict(model.state_dict())
    load_ranges(other, ranges_of(model))
    data = batches(2)
    assert torch.equal(logits(other, data), logits(model, data))
    expected = logits(plain, data)
    error = (logits(model, data) - expected).abs().max() / expected.abs().max()
    assert 1e-4 < error < 0.2
    detach(model)
    assert not is_attached(model)
    assert torch.equal(logits(model, data), expected)
    assert type(model.get_input_embeddings()) is nn.Embedding


def test_heads_and_poolers_do_not_round():
    model = _ready()
    names = {name for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}
    assert names == set(encoder_linears(model)) == set(ranges_of(model))
    assert len(names) == 6 * 4
    assert not [name for name in names if "pooler" in name or "classifier" in name]


def test_the_moving_average_by_hand():
    layer = encoder_linears(attach(classifier("bert"), Settings(decay=0.9)))[
        "bert.encoder.layer.0.attention.self.query"
    ]
    layer.train()
    for most in (2.0, 4.0, 1.0):
        layer(torch.tensor([[most, *[0.0] * 31]]))
    assert float(layer.largest_input) == pytest.approx(0.9 * (0.9 * 2 + 0.1 * 4) + 0.1 * 1)
    layer.eval()
    layer(torch.full((1, 32), 100.0))
    assert float(layer.largest_input) == pytest.approx(2.08)


@pytest.mark.parametrize("per_tensor", [False, True])
def test_a_layer_beside_numpy(per_tensor):
    layer = encoder_linears(attach(classifier("bert"), Settings(per_tensor=per_tensor)))[
        "bert.encoder.layer.1.output.dense"
    ]
    x = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    layer.train()
    got = layer(torch.from_numpy(x)).detach().numpy()
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    step = np.abs(weight).max(None if per_tensor else 1, keepdims=True) / 127
    rounded = np.clip(np.rint(weight / step), -127, 127) * step
    most = np.abs(x).max()
    expected = np.clip(np.rint(x / most * 127), -127, 127) * most / 127 @ rounded.T + bias
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("per_tensor", [False, True])
def test_embeddings_are_rounded_row_by_row_or_as_one(per_tensor):
    table = attach(classifier("bert"), Settings(per_tensor=per_tensor)).get_input_embeddings()
    weight = table.weight.detach().numpy()
    step = np.abs(weight).max(None if per_tensor else 1, keepdims=True) / 127
    np.testing.assert_allclose(table(torch.arange(120)).detach(), np.rint(weight / step) * step, atol=1e-6)


def test_a_table_in_two_factors_rounds_its_narrow_rows_and_its_projection():
    plain = factorise(classifier("bert"), 8)
    model = attach(copy.deepcopy(plain))
    _follow(model)
    table = model.get_input_embeddings()
    weight, projection = (each.detach().numpy() for each in (table.weight, table.projection.weight))
    step = np.abs(weight).max(1, keepdims=True) / 127
    rows, most = np.rint(weight / step) * step, float(table.projection.largest_input)
    rows = np.clip(np.rint(rows / most * 127), -127, 127) * most / 127
    scale = np.abs(projection).max(1, keepdims=True) / 127
    expected = rows @ (np.rint(projection / scale) * scale).T
    np.testing.assert_allclose(table(torch.arange(120)).detach(), expected, atol=1e-6)
    detach(model)
    assert type(model.get_input_embeddings()) is FactorisedEmbedding
    assert torch.equal(logits(model, batches(1)), logits(plain, batches(1)))


def test_gradients_reach_every_weight():
    model = attach(classifier("bert"))
    model.train()
    model(**batches(1)[0], labels=torch.zeros(16, dtype=torch.long)).loss.backward()
    for name, linear in encoder_linears(model).items():
        if not name.endswith("key"):  # its bias has none: softmax takes what all keys share away
            assert linear.bias.grad.abs().max() > 0, name
        assert linear.weight.grad.abs().max() > 0, name


def test_the_library_trains_saves_and_loads_it(tmp_path):
    model = attach(classifier("bert"), Settings(decay=0.5))
    rows = [
        {**{name: values[row] for name, values in batch.items()}, "labels": torch.tensor(row % 2)}
        for batch in batches(1, rows=8)
        for row in range(8)
    ]
    settings = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    Trainer(model=model, args=settings, train_dataset=rows).train()
    model.eval()
    model.save_pretrained(tmp_path / "saved")
    write_ranges(model, tmp_path / "ranges.json")
    again = attach(type(model).from_pretrained(tmp_path / "saved"))
    load_ranges(again, read_ranges(tmp_path / "ranges.json"))
    again.eval()
    assert torch.equal(logits(again, batches(1)), logits(model, batches(1)))


def test_a_copy_rounds_as_its_model_does():
    model = _ready()
    other = copy.deepcopy(model)
    encoder_linears(other)["bert.encoder.layer.0.attention.self.query"].largest_input.fill_(0.1)
    assert not torch.equal(logits(other, batches(1)), logits(model, batches(1)))


def test_what_can_not_be_is_refused(tmp_path):
    model = attach(classifier("bert"))
    with pytest.raises(UserError, match="already"):
        attach(model)
    with pytest.raises(UserError, match="no range of its inputs yet"):
        logits(model.eval(), batches(1))
    with pytest.raises(UserError, match="no range yet"):
        ranges_of(model)
    with pytest.raises(UserError, match="not fake-quantised"):
        ranges_of(classifier("bert"))
    with pytest.raises(UserError, match=r"another model: bert\.encoder"):
        load_ranges(model, {})
    with pytest.raises(UserError, match="decay 1"):
        Settings(decay=1)
    with pytest.raises(UserError, match="largest_weight 128"):
        Settings(largest_weight=128)
    with pytest.raises(UserError, match="can't be read"):
        read_ranges(tmp_path / "none.json")
    (tmp_path / "some.json").write_text('{"schema": 1}')
    with pytest.raises(UserError, match="holds no ranges"):
        read_ranges(tmp_path / "some.json")
    (tmp_path / "some.json").write_text('{"schema": 9}')
    with pytest.raises(UserError, match="schema 9"):
        read_ranges(tmp_path / "some.json")
