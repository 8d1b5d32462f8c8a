"""Rounded weights are those that a file of the precision has."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from students.anatomy import anatomy
from students.exporting.files import export_int8
from students.rounded import with_rounded_weights
from tests.students.models import classifier


def test_int8_weights_are_those_of_the_file(tmp_path):
    model = classifier("bert")
    export_int8(model, tmp_path / "model.onnx")
    constants = {
        each.name: numpy_helper.to_array(each) for each in onnx.load(tmp_path / "model.onnx").graph.initializer
    }
    name = next(each for each in constants if each.startswith("layer.0.output") and each.endswith("weight_int8"))
    scale = constants[name.replace("weight_int8", "scale")]
    rounded = anatomy(with_rounded_weights(model, "int8", {})).layers[0].output.weight.detach().numpy()
    np.testing.assert_allclose(rounded.T, constants[name] * scale, atol=1e-7)


@pytest.mark.parametrize(("precision", "most"), [("int4", 0.2), ("int8-static", 0.02), ("int8", 0.02)])
def test_fewer_bits_are_further_off_and_the_head_stays(precision, most):
    model = classifier("bert")
    rounded = with_rounded_weights(model, precision, {})
    ours, theirs = (anatomy(each).layers[0].query.weight.detach().numpy() for each in (model, rounded))
    assert 0 < np.linalg.norm(ours - theirs) / np.linalg.norm(ours) < most
    assert (rounded.classifier.weight == model.classifier.weight).all()


def test_mixed_bits_are_a_layers_own():
    model = classifier("bert")
    bits = {"bert.encoder.layer.0": 4, "bert.encoder.layer.1": 8}
    rounded = anatomy(with_rounded_weights(model, "mixed", bits)).layers
    off = [
        float((ours.query.weight - theirs.query.weight).detach().norm())
        for ours, theirs in zip(anatomy(model).layers, rounded, strict=True)
    ]
    assert off[0] > 5 * off[1] > 0


def test_float_precisions_change_nothing():
    model = classifier("bert")
    state = with_rounded_weights(model, "fp32", {}).state_dict()
    assert all((tensor == state[name]).all() for name, tensor in model.state_dict().items())
