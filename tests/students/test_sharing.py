import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from pocketbert.errors import UserError
from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.building import build_student, load_student, save_student
from students.exporting.files import export_fp32
from students.exporting.running import run_onnx
from students.initialization import initialise
from students.sharing import unshared
from students.spec import parse_student
from tests.students.exporting import texts, torch_logits
from tests.students.models import batches, classifier, language_model, logits

SMALL = "layers=5,hidden=32,heads=4,feed_forward=64"
LAYER = 4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32


def built(family, sharing="2", size=SMALL):
    torch.manual_seed(0)
    return build_student(parse_student(f"{size},sharing={sharing}"), classifier(family))


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("sharing", "groups"), [("1", 5), ("2", 3), ("3", 2), ("all", 1)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_groups_weights_are_there_once(family, sharing, groups):
    plain = build_student(parse_student(SMALL), classifier(family))
    shared = built(family, sharing)
    assert count(plain) - count(shared) == (5 - groups) * LAYER
    layers = anatomy(shared).layers
    assert len(layers) == 5
    size = 5 if sharing == "all" else int(sharing)
    for number, layer in enumerate(layers):
        assert layer.query is layers[number - number % size].query


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shared_model_computes_what_an_unshared_one_with_equal_layers_does(family):
    shared = built(family)
    apart = unshared(shared)
    assert count(apart) - count(shared) == 2 * LAYER
    assert torch.equal(logits(apart, batches(2)), logits(shared, batches(2)))


@pytest.mark.parametrize("sharing", ["2", "all"])
@pytest.mark.parametrize("family", FAMILIES)
def test_shared_layers_are_stored_and_exported_once(family, sharing, tmp_path):
    shared = built(family, sharing)
    save_student(shared, tmp_path)
    assert sum(weight.numel() for weight in load_file(tmp_path / "model.safetensors").values()) == count(shared)
    again = load_student(tmp_path)
    assert count(again) == count(shared)
    assert torch.equal(logits(again, batches(1)), logits(shared, batches(1)))
    sizes = {}
    for name, model in (("shared", again), ("whole", build_student(parse_student(SMALL), classifier(family)))):
        export_fp32(model, tmp_path / f"{name}.onnx")
        sizes[name] = (tmp_path / f"{name}.onnx").stat().st_size
        found = run_onnx(tmp_path / f"{name}.onnx", texts((9, 4, 1)), threads=1)
        np.testing.assert_allclose(found, torch_logits(model, texts((9, 4, 1))), atol=1e-4)
    spared = 4 * LAYER * (2 if sharing == "2" else 4)
    assert sizes["whole"] - sizes["shared"] == pytest.approx(spared, rel=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_trains_a_group_by_all_of_its_layers(family):
    shared = built(family, "all")
    apart = unshared(shared)
    for model in (shared, apart):
        sum(model(**batch).logits.square().mean() for batch in batches(1)).backward()
    total = sum(layer.query.weight.grad for layer in anatomy(apart).layers)
    torch.testing.assert_close(anatomy(shared).layers[0].query.weight.grad, total)


def test_a_student_starts_with_the_last_of_what_is_cut_out_of_its_teacher():
    teacher, size = classifier("bert"), SMALL.replace("layers=5", "layers=4")
    student, whole = built("bert", "2", size), build_student(parse_student(size), teacher)
    for each in (student, whole):
        start = initialise(each, teacher, batches(2))
    shared = initialise(student, teacher, batches(2))
    assert (shared.method, shared.layers) == (start.method, (0, 1, 2, 3))
    assert "of the layers that share weights" in shared.description
    ours, theirs = anatomy(student).layers, anatomy(whole).layers
    for layer, source in ((0, 1), (1, 1), (2, 3), (3, 3)):
        assert torch.equal(ours[layer].query.weight, theirs[source].query.weight)
    assert torch.equal(student.get_input_embeddings().weight, whole.get_input_embeddings().weight)


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_alone_refuses_shared_layers_instead_of_making_them_at_random(family, tmp_path):
    shared = built(family)
    save_student(shared, tmp_path)
    with pytest.raises(RuntimeError, match="mismatch"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)
    save_student(load_student(tmp_path), tmp_path / "again")
    assert torch.equal(logits(load_student(tmp_path / "again"), batches(1)), logits(shared, batches(1)))


def test_weights_of_another_shape_are_refused_in_shared_layers_too(tmp_path):
    save_student(built("bert"), tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    name = "bert.encoder.layer.2.attention.self.query.weight"
    save_file(stored | {name: torch.zeros(8, 32)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=f"{name} is 32x32, and in the weights it is 8x32"):
        load_student(tmp_path)


def test_a_language_model_shares_its_layers_and_its_head(tmp_path):
    student = build_student(parse_student(f"{SMALL},sharing=all"), language_model("bert"))
    save_student(student, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert sum(weight.numel() for weight in stored.values()) == count(student)
