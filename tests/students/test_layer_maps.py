import pytest

from pocketbert.errors import DoesNotFit, UserError
from students.layer_maps import LAYER_MAPS, layer_map, spread


@pytest.mark.parametrize(
    ("name", "student", "teacher", "expected"),
    [
        ("spread", 6, 12, (0, 2, 4, 7, 9, 11)),
        ("spread", 4, 6, (0, 2, 3, 5)),
        ("spread", 1, 6, (0,)),
        ("uniform", 4, 12, (2, 5, 8, 11)),
        ("uniform", 6, 12, (1, 3, 5, 7, 9, 11)),
        ("first", 2, 6, (0, 1)),
        ("last", 2, 6, (4, 5)),
        ([0, 1, 5], 3, 6, (0, 1, 5)),
    ],
)
def test_maps(name, student, teacher, expected):
    assert layer_map(name, student, teacher) == expected


@pytest.mark.parametrize("name", LAYER_MAPS)
def test_maps_are_strictly_rising_and_the_identity_for_equal_depth(name):
    assert layer_map(name, 5, 5) == (0, 1, 2, 3, 4)
    for teacher in range(1, 13):
        for student in range(1, teacher + 1):
            layers = layer_map(name, student, teacher)
            assert len(layers) == student
            assert sorted(set(layers)) == list(layers)
            assert layers[0] >= 0 and layers[-1] < teacher


def test_a_deeper_student_is_refused():
    with pytest.raises(DoesNotFit, match="layers=4 or fewer"):
        spread(6, 4)


@pytest.mark.parametrize(("layers", "text"), [([0, 1], "2 entries"), ([0, 1, 6], "layer 6"), ([-1, 0, 1], "layer -1")])
def test_wrong_explicit_maps_are_refused(layers, text):
    with pytest.raises(DoesNotFit, match=text):
        layer_map(layers, 3, 6)


def test_an_unknown_name_gives_near_matches():
    with pytest.raises(UserError, match="did you mean uniform"):
        layer_map("unifrom", 3, 6)
