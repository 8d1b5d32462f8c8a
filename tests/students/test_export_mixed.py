"""Layers of 4 and of 8 bits in one file."""

from collections import Counter

import numpy as np
import onnx
import pytest

from pocketbert.errors import DoesNotFit, UserError
from students.exporting.files import export_int4, export_mixed
from students.exporting.running import run_onnx
from students.sensitivity import HIGH, LOW, block_bytes, layers_of
from tests.students.exporting import family_config, random_model, texts, torch_logits


def _file(model, path, bits):
    export_mixed(model, path, bits=dict(zip(layers_of(model), bits, strict=True)))
    return onnx.load(path).graph


def _bits(graph):
    return Counter(
        each.i for node in graph.node if node.op_type == "MatMulNBits" for each in node.attribute if each.name == "bits"
    )


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mobilebert"])
def test_every_layer_has_its_bits(family, tmp_path):
    model, encodings = random_model(family_config(family)), texts((9, 4, 1))
    layers = layers_of(model)
    graph = _file(model, tmp_path / "mixed.onnx", [LOW if ".layer.0" in name else HIGH for name in layers])
    found = _bits(graph)
    assert found[LOW] >= 4
    assert found[HIGH] >= 4
    expected = torch_logits(model, encodings)
    got = run_onnx(tmp_path / "mixed.onnx", encodings, threads=1)
    assert 0 < np.abs(got - expected).max() < 0.4 * np.abs(expected).max()


def test_more_bits_are_nearer_and_cost_what_is_said(tmp_path):
    model, encodings = random_model(family_config("bert")), texts(tuple(range(3, 30)))
    expected, errors, sizes = torch_logits(model, encodings), [], []
    for bits in ((LOW, LOW), (HIGH, LOW), (HIGH, HIGH)):
        _file(model, tmp_path / "mixed.onnx", bits)
        errors.append(np.abs(run_onnx(tmp_path / "mixed.onnx", encodings, threads=1) - expected).mean())
        sizes.append((tmp_path / "mixed.onnx").stat().st_size)
    assert errors[2] < errors[1] < errors[0]
    layer = 4 * 32 * 32 + 2 * 32 * 64
    saved = block_bytes(layer, HIGH) - block_bytes(layer, LOW)
    assert sizes[1] - sizes[0] == pytest.approx(saved, rel=0.03)
    export_int4(model, tmp_path / "int4.onnx")
    assert errors[0] == np.abs(run_onnx(tmp_path / "int4.onnx", encodings, threads=1) - expected).mean()


def test_what_can_not_be_is_refused(tmp_path):
    model, path = random_model(family_config("bert")), tmp_path / "model.onnx"
    with pytest.raises(UserError, match="give the bits of each"):
        export_mixed(model, path)
    with pytest.raises(DoesNotFit, match=r"bits are of another model: bert\.encoder\.layer"):
        export_mixed(model, path, bits={})
    with pytest.raises(DoesNotFit, match="has 3 bits, and a layer has 4 or 8"):
        _file(model, path, (4, 3))
    assert not path.exists()
