"""Every form of a graph computes the same."""

from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest

from students.exporting.answers import torch_answers
from students.exporting.files import export_fp16, export_fp32, export_int4, export_int8, export_mixed, export_static
from students.exporting.forms import FORMS
from students.exporting.tasks import task_of
from students.sensitivity import layers_of
from tests.students.exporting import family_config, random_model, texts

EXPORTS = {
    "fp32": export_fp32,
    "fp16": export_fp16,
    "int8": export_int8,
    "int8-full": lambda *given, **more: export_int8(*given, full_range=True, **more),
    "int8-tables4": lambda *given, **more: export_int8(*given, four_bit_tables=True, **more),
    "int4": export_int4,
    "mixed": lambda model, *given, **more: export_mixed(
        model, *given, bits={name: 4 + 4 * (number % 2) for number, name in enumerate(layers_of(model))}, **more
    ),
    "int8-static": partial(export_static, calibration=texts(tuple(range(3, 35)))),
}
EVERY = [(precision, form) for precision, forms in FORMS.items() for form in forms]
LIMITS = {"fp32": 1e-5, "fp16": 5e-3, "int8": 0.1, "int8-full": 0.1, "int8-tables4": 0.3}
LIMITS |= {"int4": 0.4, "mixed": 0.4, "int8-static": 0.15}


def _answers(path, feed):
    return onnxruntime.InferenceSession(path).run(["logits"], feed)[0]


def _feed(rows=3, length=9):
    ids = np.random.default_rng(0).integers(5, 100, size=(rows, length))
    mask = np.ones_like(ids)
    mask[1, 5:] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mobilebert"])
@pytest.mark.parametrize(("precision", "form"), EVERY, ids=[f"{p}-{f.name}" for p, f in EVERY])
def test_a_form_answers_as_the_model_does(tmp_path, family, precision, form):
    model, path = random_model(family_config(family)), tmp_path / "model.onnx"
    EXPORTS[precision](model, path, form=form)
    asked = {each.name for each in onnxruntime.InferenceSession(path).get_inputs()}
    feed = {name: values for name, values in _feed().items() if name in asked}
    expected = torch_answers(model, task_of(model), feed)["logits"]
    assert np.abs(_answers(path, feed) - expected).max() < LIMITS[precision] * np.abs(expected).max()
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert metadata["form"] == form.name


@pytest.mark.parametrize("precision", FORMS)
def test_the_first_form_is_the_default_and_all_differ(tmp_path, precision):
    model, graphs = random_model(family_config("bert")), []
    for number, form in enumerate((None, *FORMS[precision])):
        path = tmp_path / f"{number}.onnx"
        EXPORTS[precision](model, path, form=form)
        graphs.append(onnx.load(path).graph.SerializeToString())
    assert graphs[0] == graphs[1]
    assert len(set(graphs)) == len(FORMS[precision])


def test_a_sum_and_its_norm_are_one_operator(tmp_path):
    plain, skip = (form for form in FORMS["fp32"] if form.name.startswith("separate"))
    kinds = []
    for form in (plain, skip):
        export_fp32(random_model(family_config("bert")), tmp_path / "a.onnx", form=form)
        kinds.append([node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node])
    assert kinds[0].count("LayerNormalization") == kinds[1].count("SkipLayerNormalization") == 5
    assert len(kinds[0]) - len(kinds[1]) == 5
