"""Every recipe with a student or a teacher whose layers differ, whose word table is narrow, or whose layers share."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  (the usual name)

from distill.distiller import Distiller
from distill.objectives import OBJECTIVES
from distill.recipes import RECIPES
from distill.shapes import shape_of
from distill.stages import build_distiller
from pocketbert.errors import DoesNotFit
from students.building import build_student
from students.factorised import factorise
from students.pruning.kept import Kept
from students.pruning.removal import removed
from students.spec import parse_student
from tests.distill.command import untrained
from tests.students.models import classifier

HEADS = (1, 2, 4)


def pruned(heads=HEADS, seed=1):
    """A model of three layers with these heads, of size 8, out of four; 24 wide."""
    stream = tuple(range(24))
    neurons = (tuple(range(8)), tuple(range(64)), tuple(range(40)))
    return removed(
        classifier("bert", seed), Kept(stream, (0, 1, 3), tuple(tuple(range(x)) for x in heads), neurons, stream)
    )


def shared():
    torch.manual_seed(1)
    return build_student(parse_student("layers=4,hidden=16,heads=2,feed_forward=32,sharing=2"), classifier("bert"))


STUDENTS = {
    "pruned": pruned,
    "factorised": lambda: factorise(classifier("bert", 1), 7),
    "shared": shared,
    "pruned and factorised": lambda: factorise(pruned(), 7),
}
MINILM_FITS = {"pruned", "factorised", "pruned and factorised"}
"""Students with as many heads in the last layer as the teacher, which MiniLM asks for."""


def batch():
    generator = torch.Generator().manual_seed(2)
    mask = torch.ones(4, 9, dtype=torch.long)
    mask[0, 4:] = 0
    ids = torch.randint(5, 120, (4, 9), generator=generator)
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 1, 0, 1])}


def losses_of(recipe, student, teacher, inputs):
    torch.manual_seed(0)
    return [build_distiller(stage, student, teacher).eval()(**inputs)["loss"] for stage in recipe.stages]


def check(recipe, student, teacher):
    """Losses are finite, padding changes nothing, and all that a recipe trains has a gradient."""
    found = losses_of(recipe, student, teacher, batch())
    assert all(torch.isfinite(loss) for loss in found)
    sum(found).backward()
    without = {name for name, x in student.named_parameters() if x.grad is None or not x.grad.abs().sum() > 0}
    names = [name for name, _ in student.named_parameters()]
    assert without <= untrained(recipe, names) | {name for name in names if name.endswith("key.bias")}
    longer = batch() | {key: F.pad(batch()[key], (0, 5)) for key in ("input_ids", "attention_mask")}
    for loss, other in zip(found, losses_of(recipe, student, teacher, longer), strict=True):
        assert other.item() == pytest.approx(loss.item(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kind", STUDENTS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_a_student_of_a_new_shape_or_refuses_it(name, kind):
    student, teacher = STUDENTS[kind](), classifier("bert")
    if name == "minilm" and kind not in MINILM_FITS:
        with pytest.raises(DoesNotFit, match="has 2, teacher 'teacher' 4: take --recipe minilmv2"):
            losses_of(RECIPES[name], student, teacher, batch())
    else:
        check(RECIPES[name], student, teacher)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_a_pruned_teacher_or_refuses_it(name):
    student, teacher = classifier("bert", 2, num_hidden_layers=3, num_attention_heads=2), pruned((2, 4, 4))
    if name == "minilm":
        with pytest.raises(DoesNotFit, match="student 'student' has 2, teacher 'teacher' 4: take --recipe minilmv2"):
            losses_of(RECIPES[name], student, teacher, batch())
    else:
        check(RECIPES[name], student, teacher)


def build(name, student, teacher, **settings):
    kind = OBJECTIVES[name]
    return kind(kind.Settings(**settings), shape_of(student, "student"), shape_of(teacher, "teacher"))


def test_a_shape_has_the_heads_and_widths_of_each_layer():
    shape = shape_of(pruned())
    assert (shape.heads, shape.attention, shape.hidden) == (HEADS, (8, 16, 32), 24)
    plain = shape_of(classifier("bert"))
    assert (plain.heads, plain.attention) == ((4,) * 4, (32,) * 4)


@pytest.mark.parametrize("name", ["attention_mse", "attention_transfer"])
def test_heads_that_do_not_divide_in_one_layer_are_refused_with_a_way_out(name):
    student, teacher = classifier("bert", 2, num_hidden_layers=3, num_attention_heads=2), pruned((4, 3, 2))
    expected = r"2 heads of student 'student' \(layer 2\) with 3 of teacher 'teacher' \(layer 2\).*divide 1 .*minilmv2"
    with pytest.raises(DoesNotFit, match=expected) as error:
        build(name, student, teacher)
    assert "\n" not in str(error.value)


def test_each_layer_has_the_teacher_heads_that_its_own_number_asks_for():
    """Scores of a student's layer against the mean of 4, 2 or 1 heads of the teacher, by hand."""
    student, teacher = pruned(), classifier("bert")
    objective = build("attention_mse", student, teacher, layers=[0, 1, 3])
    assert "mean of 1 or 2 or 4 teacher heads" in objective.describe()
    distiller = Distiller(student, {"attention_mse": objective}, teacher).eval()
    inputs = {name: values[1:] for name, values in batch().items()}  # without padding
    values = []
    for layer in range(3):
        distiller.go_to_layer(layer)
        values.append(distiller(**inputs)["loss"].item())

    def scores(model, number, hidden):
        attention = model.bert.encoder.layer[number].attention.self
        query, key = (x(hidden).unflatten(2, (-1, 8)).transpose(1, 2) for x in (attention.query, attention.key))
        return query @ key.mT / 8**0.5

    for number, (mapped, heads) in enumerate(zip((0, 1, 3), HEADS, strict=True)):
        states = {}
        with torch.no_grad():
            for role, model in (("student", student), ("teacher", teacher)):
                plain = {name: x for name, x in inputs.items() if name != "labels"}
                states[role] = model(**plain, output_hidden_states=True).hidden_states
            ours = scores(student, number, states["student"][number])
            theirs = scores(teacher, mapped, states["teacher"][mapped])
        pooled = theirs.unflatten(1, (heads, 4 // heads)).mean(2)
        assert values[number] == pytest.approx((ours - pooled).square().mean().item(), rel=1e-4)


def test_relations_take_the_width_of_the_layers_that_are_compared():
    student = pruned((4, 2, 1))
    assert "8 heads" in build("value_relation", student, classifier("bert")).describe()
    assert "16 heads" in build("value_relation", classifier("bert"), pruned((1, 4, 2)), layer=2).describe()
    with pytest.raises(DoesNotFit, match=r"16 relation heads.*widths 8 of student.*32 of teacher.*divisor of 8"):
        build("value_relation", student, classifier("bert"), relation_heads=16)
