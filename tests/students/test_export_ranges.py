"""What layers read, and the ranges that are chosen of it."""

import numpy as np
import pytest
import torch

from pocketbert.errors import UserError
from students.exporting.calibration import observe
from students.exporting.precision import weight_and_bias
from students.exporting.ranges import METHODS, STRENGTHS, calibrate, product_error
from students.quantized_parts import encoder_linears
from tests.students.exporting import family_config, random_model, texts

LENGTHS = tuple(range(3, 35))


def _layer(names, name):
    return next(seen for seen in names if name in seen.names)


def test_layers_that_share_an_input_are_seen_together():
    model, encodings = random_model(family_config("bert")), texts(LENGTHS, types=True)
    seen = observe(model, encodings)
    assert [len(each.names) for each in seen] == [3, 1, 1, 1] * 2
    first = _layer(seen, "bert.encoder.layer.0.attention.self.key")
    with torch.inference_mode():
        states = [
            model.bert.embeddings(torch.tensor([x["input_ids"]]), torch.tensor([x["token_type_ids"]]))[0].numpy()
            for x in encodings
        ]
    every = np.concatenate(states)
    assert (first.low, first.high) == (pytest.approx(every.min(), rel=1e-5), pytest.approx(every.max(), rel=1e-5))
    np.testing.assert_allclose(first.channels, np.abs(every).max(0), rtol=1e-5)
    assert 0.9 * sum(LENGTHS) < len(first.sample) <= sum(LENGTHS)


def test_too_few_texts_are_refused():
    with pytest.raises(UserError, match="31 texts are too few to calibrate with: give at least 32"):
        observe(random_model(family_config("bert")), texts(LENGTHS[1:]))


@pytest.fixture(scope="module")
def outlier():
    """A model whose second layer reads a channel that is forty times as large as the others, as BERT's do."""
    model = random_model(family_config("bert"))
    with torch.no_grad():
        norm = model.bert.encoder.layer[0].output.LayerNorm
        norm.weight[3] = 40
        for linear in (part for name, part in encoder_linears(model).items() if "layer.1.attention.self" in name):
            linear.weight[:, 3] /= 40
    return model, texts(LENGTHS)


def test_the_default_copes_with_a_channel_that_is_far_larger(outlier):
    model, encodings = outlier
    seen = _layer(observe(model, encodings), "bert.encoder.layer.1.attention.self.query")
    linears = encoder_linears(model)
    weight = weight_and_bias(*(linears[name] for name in seen.names))[0]
    errors = {name: product_error(seen.sample, weight, method(seen, weight), 63) for name, method in METHODS.items()}
    assert errors["smooth"] < 0.4 * errors["min-max"]
    assert next(iter(METHODS)) == "smooth"
    factors = METHODS["smooth"](seen, weight).factors
    assert factors is not None
    assert factors[3] > 5 * np.median(factors)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_ranges_that_hold_zero(outlier, method):
    model, encodings = outlier
    found = calibrate(model, encodings, method, worse=1e9).inputs
    assert set(found) == set(encoder_linears(model))
    assert all(each is not None and each.low <= 0 < each.high for each in found.values())


def test_layers_that_static_ranges_cost_too_much_stay_dynamic(outlier):
    model, encodings = outlier
    assert not any(calibrate(model, encodings, worse=0).inputs.values())
    some = calibrate(model, encodings, "entropy").inputs.values()
    assert any(each is None for each in some)


def test_biases_take_what_rounding_takes_on_average(outlier):
    model, encodings = outlier
    seen = _layer(observe(model, encodings), "bert.encoder.layer.0.output.dense")
    name, weight = seen.names[0], weight_and_bias(encoder_linears(model)[seen.names[0]])[0]
    calibration = calibrate(model, encodings, "min-max")
    grid = calibration.inputs[name]
    assert grid is not None
    step = np.abs(weight).max(0) / 63
    off = seen.sample @ weight - grid.rounded(seen.sample) @ (np.rint(weight / step) * step)
    np.testing.assert_allclose(calibration.shifts[name], off.mean(0), atol=1e-4)
    assert not calibrate(model, encodings, "min-max", shift=False).shifts


def test_strengths_are_shares():
    assert all(0 < each < 1 for each in STRENGTHS)
