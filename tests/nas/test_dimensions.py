import pytest

from nas.dimensions import Dimension, parse_choices
from pocketbert.errors import UserError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2,3,4", (2, 3, 4)),
        ("2..4", (2, 3, 4)),
        ("96..384/96", (96, 192, 288, 384)),
        ("96..200/96", (96, 192)),
        ("4,2,2", (2, 4)),
        (" 2 , 4..5 ", (2, 4, 5)),
        (7, (7,)),
        ([1, "3..4"], (1, 3, 4)),
        ("bert,mobilebert", ("bert", "mobilebert")),
    ],
)
def test_values_are_read(given, expected):
    assert parse_choices("layers", given) == expected


@pytest.mark.parametrize("given", ["", "4..2", "2..4/0", "1.5..2", True, None, [], [None], "2,bert", "0..99999999"])
def test_what_is_no_list_of_values_is_refused_by_name(given):
    with pytest.raises(UserError, match="layers"):
        parse_choices("layers", given)


def test_only_evenly_spaced_numbers_have_a_step():
    assert Dimension("layers", (2, 4, 6)).step == 2
    assert Dimension("layers", (2, 4, 7)).step is None
    assert Dimension("layers", (2,)).step is None
    assert Dimension("family", ("a", "b")).step is None
