import pyarrow as pa
import pytest

from distill.data.columns import LABEL_NAMES, PAIR_NAMES, TEXT_NAMES, find_columns
from distill.data.tables import Table
from pocketbert.errors import UserError


def table(*names, **columns):
    words = {name: ["some words", "more words"] for name in names}
    return Table("train.tsv", pa.table(words | columns))


@pytest.mark.parametrize("label", LABEL_NAMES)
def test_every_label_name_is_found(label):
    assert find_columns(table("sentence", label)).label == label


@pytest.mark.parametrize("text", TEXT_NAMES)
def test_every_text_name_is_found_in_any_case(text):
    found = find_columns(table(text.upper(), "note", "label"))
    assert found.texts == (text.upper(),)
    assert found.message == f"text: '{text.upper()}' (by its name); label: 'label' (by its name)."


@pytest.mark.parametrize("pair", PAIR_NAMES)
def test_every_pair_is_found_in_its_order(pair):
    assert find_columns(table(*reversed(pair), "label")).texts == pair


def test_other_names_are_found_by_their_content():
    found = find_columns(Table("a", pa.table({"id": ["1 a", "2 b"], "words": ["a b", "c d"], "what": ["x", "y"]})))
    assert (found.texts, found.label) == (("words",), "what")
    assert "the only text" in found.message and "the only column that is not text" in found.message


def test_named_columns_win():
    found = find_columns(table("sentence", "note", "label", "mood"), ["note"], "mood")
    assert (found.texts, found.label) == (("note",), "mood")
    assert found.message == "text: 'note' (named); label: 'mood' (named)."


def test_a_column_named_as_text_is_not_taken_for_the_label():
    assert find_columns(table("label", "score"), ["label"]).label == "score"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": ["sentense"]}, "no column 'sentense'; it has 'sentence', 'label'. Did you mean 'sentence'"),
        ({"label": "gold"}, "no column 'gold'; it has 'sentence', 'label'"),
        ({"texts": ["sentence", "sentence"]}, "one column or two different ones"),
        ({"texts": []}, "one column or two different ones, not 0"),
        ({"texts": ["sentence"], "label": "sentence"}, "can't be text and label at once"),
    ],
)
def test_names_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        find_columns(table("sentence", "label"), **arguments)


def test_what_can_not_be_found_is_listed():
    with pytest.raises(UserError, match=r"no column that is clearly the label; it has 'a', 'b'.*--label-column"):
        find_columns(Table("t", pa.table({"a": ["x", "y"], "b": ["1", "2"]})))
    with pytest.raises(UserError, match=r"3 columns of text.*name one or two with --text-column"):
        find_columns(table("a", "b", "c", "label"))
    with pytest.raises(UserError, match="no column of text"):
        find_columns(Table("t", pa.table({"size": [1, 2], "label": [0, 1]})))
