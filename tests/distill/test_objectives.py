"""Conformance over every objective in the catalogue, then what is particular to some."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from distill.distiller import Distiller
from distill.objectives import OBJECTIVES
from distill.shapes import shape_of
from pocketbert.errors import DoesNotFit


def _build(name, student, teacher, **settings):
    kind = OBJECTIVES[name]
    return kind(kind.Settings(**settings), shape_of(student), shape_of(teacher))


def _batch(rows=4, length=9):
    generator = torch.Generator().manual_seed(2)
    mask = torch.ones(rows, length, dtype=torch.long)
    mask[0, 4:] = 0
    return {
        "input_ids": torch.randint(5, 120, (rows, length), generator=generator),
        "attention_mask": mask,
        "labels": torch.tensor([0, 1, -100, 1][:rows]),
    }


def _loss(name, student, teacher, batch, **settings):
    torch.manual_seed(0)
    distiller = Distiller(student, {name: _build(name, student, teacher, **settings)}, teacher).eval()
    return distiller(**batch)["loss"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_is_a_finite_scalar_that_trains_the_student(name, bert):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert(layers=4)
    loss = _loss(name, student, teacher, _batch())
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in student.parameters())
    assert all(p.grad is None for p in teacher.parameters())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_padding_changes_nothing(name, bert):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert(layers=4)
    batch = _batch()
    longer = batch | {key: F.pad(batch[key], (0, 5)) for key in ("input_ids", "attention_mask")}
    assert _loss(name, student, teacher, longer).item() == pytest.approx(
        _loss(name, student, teacher, batch).item(), rel=1e-5, abs=1e-7
    )


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if OBJECTIVES[name].teacher])
def test_is_zero_when_the_student_is_the_teacher(name, bert):
    assert _loss(name, bert(), bert(), _batch()).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_weight_scales_the_loss(name, bert):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert(layers=4)
    single = _loss(name, student, teacher, _batch()).item()
    assert _loss(name, student, teacher, _batch(), weight=3.0).item() == pytest.approx(3 * single, rel=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_says_what_it_aligns(name, bert):
    assert len(_build(name, bert(layers=2, hidden=16), bert()).describe()) > 10


def test_heads_that_do_not_divide_are_refused_with_a_way_out(bert):
    with pytest.raises(DoesNotFit, match=r"3 heads.*4 of.*--recipe logits"):
        _build("attention_mse", bert(hidden=24, heads=3), bert(heads=4))


def test_regression_takes_values(bert):
    teacher = bert(labels=1, problem_type="regression")
    student = bert(seed=1, labels=1, problem_type="regression")
    batch = _batch() | {"labels": torch.tensor([0.5, float("nan"), 2.0, 1.0])}
    for name in ("soft_targets", "hard_labels"):
        assert torch.isfinite(_loss(name, student, teacher, batch))


@pytest.mark.parametrize("name", ["query_relation", "key_relation", "value_relation"])
def test_relation_heads_are_free_of_the_models_heads(name, bert):
    student, teacher = bert(seed=1, layers=2, hidden=24, heads=3), bert(hidden=32, heads=4)
    assert "8 heads" in _build(name, student, teacher).describe()  # the most that divide 24 and 32
    values = [_loss(name, student, teacher, _batch(), relation_heads=heads).item() for heads in (2, 8, "most")]
    assert values[0] != pytest.approx(values[1], rel=1e-3)
    assert values[1] == values[2]


def test_relation_heads_that_do_not_divide_are_refused_with_a_way_out(bert):
    with pytest.raises(DoesNotFit, match=r"3 relation heads.*16 of.*32 of.*divisor of 16"):
        _build("value_relation", bert(hidden=16), bert(hidden=32), relation_heads=3)


@pytest.mark.parametrize(
    ("name", "settings"), [("attention_divergence", {}), ("value_relation", {"relation_heads": "attention"})]
)
def test_minilm_refuses_other_heads_and_names_its_successor(name, settings, bert):
    with pytest.raises(DoesNotFit, match=r"has 3, teacher.*4: take --recipe minilmv2"):
        _build(name, bert(hidden=24, heads=3), bert(heads=4), **settings)


def test_minilm_takes_the_teacher_layer_asked_for(bert):
    teacher, student = bert(layers=4), bert(seed=1, layers=2, hidden=16)
    last, second = (
        _loss("attention_divergence", student, teacher, _batch(), layer=layer).item() for layer in (None, 1)
    )
    assert last != pytest.approx(second, rel=1e-3)
    assert _loss("attention_divergence", student, teacher, _batch(), layer=3).item() == last
    with pytest.raises(DoesNotFit, match=r"layer 4.*0 to 3"):
        _build("attention_divergence", student, teacher, layer=4)


def test_patient_states_skip_the_last_layers_as_the_paper_does(bert):
    def aligned(layers):
        return _build("patient_states", bert(layers=6), bert(layers=12), layers=layers).describe()

    assert "layers 1, 2, 3, 4, 5 with teacher layers 2, 4, 6, 8, 10" in aligned("uniform")
    assert "layers 1, 2, 3, 4, 5 with teacher layers 7, 8, 9, 10, 11" in aligned("last")
    with pytest.raises(DoesNotFit, match="two layers"):
        _build("patient_states", bert(layers=1), bert())


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if OBJECTIVES[name].layerwise])
def test_the_mean_over_layers_is_that_of_the_layers_one_by_one(name, bert):
    student, teacher = bert(seed=1, layers=2, hidden=16), bert(layers=4)
    torch.manual_seed(0)
    distiller = Distiller(student, {name: _build(name, student, teacher)}, teacher).eval()
    values = []
    for layer in (None, 0, 1):
        distiller.go_to_layer(layer)
        values.append(distiller(**_batch())["loss"].item())
    assert values[1] != values[2]
    assert values[0] == pytest.approx((values[1] + values[2]) / 2)


def test_attention_transfer_refuses_heads_that_do_not_divide(bert):
    with pytest.raises(DoesNotFit, match="heads divide 4"):
        _build("attention_transfer", bert(layers=2, hidden=24, heads=3), bert())
