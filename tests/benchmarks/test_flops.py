import pytest

from benchmarks.flops import counted_flops, flops, layer_flops
from students.anatomy import anatomy
from students.architecture import FAMILIES
from students.building import build_student
from students.catalogue import STUDENTS
from tests.benchmarks.test_size import bert
from tests.students.exporting import family_config, random_model


@pytest.mark.parametrize(
    ("shape", "billions"),
    [((12, 768, 3072, 12), 22.35), ((4, 312, 1200, 12), 1.25)],
)
def test_encoder_matches_the_published_tables(shape: tuple[int, int, int, int], billions: float) -> None:
    encoder = sum(layer_flops(layer, 128) for layer in anatomy(bert(*shape)).layers)
    assert encoder / 1e9 == pytest.approx(billions, abs=0.005)


@pytest.mark.parametrize(
    ("name", "billions"), [("mobilebert", 5.39), ("mobilebert-wide", 5.59), ("mobilebert-tiny", 3.07)]
)
def test_mobileberts_match_the_published_tables(name: str, billions: float) -> None:
    student = build_student(STUDENTS[name], bert(1, 64, 64, 2))
    assert counted_flops(student, 128) / 1e9 == pytest.approx(billions, abs=0.005)


def test_one_layer_and_head_by_hand() -> None:
    layers = 10 * 2 * (4 * 8 * 8 + 2 * 8 * 16) + 2 * 2 * 10 * 10 * 8
    head = 2 * (8 * 8 + 8 * 2)
    assert flops(bert(1, 8, 16, 2), length=10) == layers + head


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("length", [1, 7, 33])
def test_closed_form_equals_torchs_counter(family: str, length: int) -> None:
    model = random_model(family_config(family))
    assert flops(model, length) == counted_flops(model, length)


def test_counting_leaves_the_model_as_it_was() -> None:
    model = random_model(family_config("mobilebert")).train()
    attention = model.config._attn_implementation
    short, long = flops(model, 8), flops(model, 16)
    assert 2 * short < long + 2 * 2 * 32 * (32 + 3)
    assert model.training
    assert model.config._attn_implementation == attention


def test_a_text_longer_than_the_models_positions_counts_as_any() -> None:
    model = random_model(family_config("mobilebert"))
    positions = model.config.max_position_embeddings
    assert counted_flops(model, 2 * positions) > 2 * counted_flops(model, positions)
