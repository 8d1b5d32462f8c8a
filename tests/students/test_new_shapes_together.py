"""Models that are pruned, factorised, shared and trimmed at once: through files, exports and every further change."""

import copy

import numpy as np
import pytest
import torch

from pocketbert.errors import DoesNotFit
from pocketbert.factorised import FactorisedEmbedding
from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.building import build_student, load_student, proportions, save_student
from students.exporting.files import export_fp32, export_int8
from students.exporting.running import run_onnx
from students.factorised import factorise
from students.fake_quantization import attach, detach
from students.initialization import check_method, initialise
from students.pruning.kept import Kept
from students.pruning.pruner import prune
from students.pruning.removal import removed
from students.pruning.sizes import sizes_of
from students.pruning.targets import parse_target
from students.spec import parse_student
from students.vocabulary import reading
from tests.students.exporting import texts, torch_logits
from tests.students.models import batches, classifier, logits
from tests.students.pruning.labelled import UNEVEN, labelled

KEPT = range(100)
FAMILIES_AND_NARROW = (*FAMILIES, "electra-narrow")


def _read(texts):
    """Texts in the pieces that a trimmed vocabulary has."""
    return [batch | {"input_ids": batch["input_ids"].clamp(max=99)} for batch in texts]


def _pruned(model, target="heads=0.25:feed_forward=0.25:hidden=0.25"):
    return prune(model, parse_target(target), _read(labelled(2))).model


def _shared(family):
    torch.manual_seed(0)
    teacher = classifier(family)
    student = build_student(parse_student("layers=4,hidden=32,heads=4,feed_forward=64,sharing=2"), teacher)
    initialise(student, teacher, batches(2))
    return student


KINDS = {
    "pruned, then factorised": lambda family: factorise(removed(classifier(family), UNEVEN), 7),
    "factorised, then pruned": lambda family: _pruned(factorise(classifier(family), 7)),
    "pruned, then trimmed": lambda family: reading(removed(classifier(family), UNEVEN), KEPT),
    "trimmed, factorised, then pruned": lambda family: _pruned(factorise(reading(classifier(family), KEPT), 7)),
    "shared, then factorised and trimmed": lambda family: reading(factorise(_shared(family), 7), KEPT),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES_AND_NARROW)
def test_a_folder_and_its_exports_answer_as_the_model(family, kind, tmp_path):
    model, read = KINDS[kind](family), _read(batches(1))
    save_student(model, tmp_path / "first")
    save_student(load_student(tmp_path / "first"), tmp_path / "again")
    again = load_student(tmp_path / "again")
    assert again.num_parameters() == model.num_parameters()
    torch.testing.assert_close(logits(again, read), logits(model, read), atol=1e-6, rtol=0)
    encodings = [text | {"input_ids": [min(x, 99) for x in text["input_ids"]]} for text in texts((9, 4))]
    expected = torch_logits(model, encodings)
    export_fp32(again, tmp_path / "fp32.onnx")
    np.testing.assert_allclose(run_onnx(tmp_path / "fp32.onnx", encodings, threads=1), expected, atol=1e-3, rtol=1e-4)
    export_int8(again, tmp_path / "int8.onnx")
    assert 0 < np.abs(run_onnx(tmp_path / "int8.onnx", encodings, threads=1) - expected).max() < np.abs(expected).max()


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_is_attached_trained_and_taken_away(kind):
    model, read = KINDS[kind]("bert"), _read(batches(2))
    rounding = attach(copy.deepcopy(model)).train()
    sum(rounding(**batch).logits.square().mean() for batch in read).backward()
    assert all(x.grad is not None for x in rounding.parameters())
    assert not torch.equal(logits(rounding.eval(), read), logits(model, read))
    torch.testing.assert_close(logits(detach(rounding), read), logits(model, read), atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES_AND_NARROW)
def test_pruning_leaves_the_narrow_table_and_cuts_its_projection(family):
    whole = factorise(classifier(family), 7)
    model = _pruned(whole, "hidden=0.25")
    table = model.get_input_embeddings()
    assert isinstance(table, FactorisedEmbedding)
    narrow = family == "electra-narrow"  # whose projection comes after all tables
    assert tuple(table.projection.weight.shape) == (16 if narrow else 24, 7)
    assert torch.equal(table.weight, whole.get_input_embeddings().weight)
    assert sizes_of(model).hidden == 24


@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
def test_what_is_pruned_of_a_factorised_model_has_no_effect_where_it_was_nothing(importance):
    """Neurons and heads of no weight go first, and the answers stay, up to what the repair changes."""
    model = factorise(classifier("bert"), 7)
    with torch.no_grad():
        for layer in anatomy(model).layers:
            for linear in (layer.feed_forward_in, layer.query, layer.key, layer.value):
                linear.weight[-8:], linear.bias[-8:] = 0.0, 0.0
            layer.feed_forward_out.weight[:, -8:] = 0.0
            layer.output.weight[:, -8:] = 0.0
    model_texts = labelled(2)
    target = parse_target(f"heads=0.25:feed_forward=0.125:importance={importance}")
    smaller = prune(model, target, model_texts).model
    plain = [{name: x for name, x in batch.items() if name != "labels"} for batch in model_texts]
    torch.testing.assert_close(logits(smaller, plain), logits(model, plain), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_layers_are_not_pruned(family):
    with pytest.raises(DoesNotFit, match="layers share weights can't be pruned") as error:
        _pruned(_shared(family))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_trimmed_again(kind):
    model, read = KINDS[kind]("bert"), [b | {"input_ids": b["input_ids"].clamp(max=79)} for b in batches(1)]
    smaller = reading(model, range(80))
    torch.testing.assert_close(logits(smaller, read), logits(model, read), atol=1e-6, rtol=0)
    assert smaller.get_input_embeddings().num_embeddings == 80


UNEVEN_LATER = Kept(  # the first layer is the largest, so that only a look at all of them helps
    hidden=tuple(range(24)),
    layers=(0, 2, 3),
    heads=((0, 1, 2, 3), (0, 2), (1, 2, 3)),
    feed_forward=(tuple(range(64)), tuple(range(24)), tuple(range(40))),
    head=tuple(range(24)),
)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_student_is_cut_out_of_a_pruned_teacher_within_its_smallest_layer(family):
    teacher = removed(classifier(family), UNEVEN_LATER)
    student = build_student(parse_student("layers=3,hidden=16,heads=2,feed_forward=24"), teacher)
    assert initialise(student, teacher, batches(2)).method == "cut"
    for wrong, said in (("heads=3,hidden=18,feed_forward=24", "heads"), ("heads=2,hidden=16,feed_forward=32", "feed")):
        larger = build_student(parse_student(f"layers=2,{wrong}"), teacher)
        with pytest.raises(DoesNotFit, match=f"{said}.* its teacher's only"):
            check_method(larger, teacher, "cut")
        assert initialise(larger, teacher, batches(2)).method == "pca"


def test_cut_out_whole_it_answers_as_its_pruned_teacher():
    """Layers alike, heads that are narrower together than the width: only the heads' own size may count."""
    kept = Kept(tuple(range(24)), (0, 1), ((0, 1), (1, 2)), (tuple(range(64)),) * 2, tuple(range(24)))
    teacher = removed(classifier("bert"), kept)
    student = build_student(parse_student("layers=2,hidden=16,heads=2,feed_forward=64"), teacher)
    assert initialise(student, teacher, batches(2)).method == "cut"
    assert proportions(teacher.config).largest_head == 8


def test_whole_layers_are_copied_only_where_all_sizes_agree():
    teacher = removed(classifier("bert"), UNEVEN_LATER)
    for sizes, said in (("heads=4", "number of heads is 4, its teacher's 2 or 3 or 4"), ("heads=2", "number of heads")):
        student = build_student(parse_student(f"layers=3,hidden=24,feed_forward=64,{sizes}"), teacher)
        with pytest.raises(DoesNotFit, match=said):
            initialise(student, teacher, batches(1), "copy")
    alike = Kept(tuple(range(24)), (0, 1), ((0, 1), (1, 2)), (tuple(range(64)),) * 2, tuple(range(24)))
    student = build_student(parse_student("layers=2,hidden=24,heads=2,feed_forward=64"), classifier("bert"))
    with pytest.raises(DoesNotFit, match="head size is 12, its teacher's 8"):
        initialise(student, removed(classifier("bert"), alike), batches(1), "copy")


def test_the_proportions_of_a_pruned_teacher_are_those_of_its_smallest_layers():
    found = proportions(removed(classifier("bert"), UNEVEN_LATER).config)
    assert (found.hidden, found.heads, found.feed_forward, found.head_size) == (24, 2, 24, 8)
    assert found.largest_head == 8
