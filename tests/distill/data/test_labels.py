import numpy as np
import pyarrow as pa
import pytest

from distill.data.labels import decide_coding, encode_labels
from distill.data.tables import Table
from pocketbert.errors import UserError


def table(labels, name="train.tsv", **options):
    return Table(name, pa.table({"label": labels}), np.arange(2, len(labels) + 2), **options)


@pytest.mark.parametrize(
    ("labels", "names", "ids"),
    [
        (["10", "2", "1", "2"], ("1", "2", "10"), [2, 1, 0, 1]),
        (["pos", "neg", "pos"], ("neg", "pos"), [1, 0, 1]),
        ([3, 1, 3], ("1", "3"), [1, 0, 1]),
        ([1.0, 0.0, 1.0], ("0", "1"), [1, 0, 1]),
        (["1", "1.0", "0", "-1"], ("-1", "0", "1"), [2, 2, 1, 0]),
        ([True, False, True], ("false", "true"), [1, 0, 1]),
        (["b ", " a", "b"], ("a", "b"), [1, 0, 1]),
        (["1", "two", "10"], ("1", "10", "two"), [0, 2, 1]),
    ],
)
def test_classes_are_ordered_and_encoded(labels, names, ids):
    rows = table(labels)
    coding = decide_coding(rows, "label")
    assert (coding.kind, coding.names) == ("classification", names)
    encoded = encode_labels(rows, "label", coding)
    assert encoded.type == pa.int64()
    assert encoded.to_pylist() == ids


@pytest.mark.parametrize("labels", [["0.5", "2", "3.75"], [0.5, 2.0, 3.75]])
def test_fractions_are_a_scale(labels):
    rows = table(labels)
    coding = decide_coding(rows, "label")
    assert (coding.kind, coding.names) == ("regression", ())
    encoded = encode_labels(rows, "label", coding)
    assert encoded.type == pa.float32()
    assert encoded.to_pylist() == [0.5, 2.0, 3.75]


def test_whole_numbers_are_classes_until_there_are_too_many():
    few = [number % 77 for number in range(2000)]
    many = list(range(200))
    assert decide_coding(table(few), "label").kind == "classification"
    assert decide_coding(table(many), "label").kind == "regression"


def test_the_kind_can_be_forced():
    assert decide_coding(table(["0", "1", "2"]), "label", True).kind == "regression"
    coding = decide_coding(table(["0.5", "1.5", "0.50"]), "label", False)
    assert (coding.kind, coding.names) == ("classification", ("0.5", "1.5"))


def test_declared_class_names_are_kept_even_where_unused():
    rows = table([2, 0], class_names={"label": ("a", "b", "c")})
    coding = decide_coding(rows, "label")
    assert coding.names == ("a", "b", "c")
    assert encode_labels(rows, "label", coding).to_pylist() == [2, 0]


def test_labels_of_the_evaluation_rows_use_the_train_rows_ids():
    coding = decide_coding(table(["b", "a", "c"]), "label")
    assert encode_labels(table(["c", "c"], "dev.tsv"), "label", coding).to_pylist() == [2, 2]


@pytest.mark.parametrize(
    ("labels", "regression", "message"),
    [
        (["1", "1"], None, "one class only .'1' in all 2 rows"),
        (["a", "", "b"], None, "line 3: no label in column 'label' .1 such rows"),
        (["a", None, "b"], None, "line 3: no label"),
        ([None, None], None, "line 2: no label in column 'label' .2 such rows"),
        (["0.5", "1.5", "2.5x", "3"], None, "line 4: the target in column 'label' is not a number: '2.5x'"),
        (["0.5", "nan", "1.5"], None, "line 3: the target in column 'label' is not a number: 'nan'"),
        (["0.5", "9e37", "1.5"], None, "line 3: the target in column 'label' is too large: '9e37'"),
        (["good", "1.5"], True, "line 2: .* not a number: 'good'; mend it, or give --no-regression"),
        ([f"text {n}" for n in range(60)], None, "60 different values in 60 rows, which are no classes"),
        ([[1], [2]], None, "holds lists or objects, not labels"),
    ],
)
def test_bad_labels_are_refused(labels, regression, message):
    with pytest.raises(UserError, match=message):
        decide_coding(table(labels), "label", regression)


def test_labels_that_train_lacks_are_named():
    coding = decide_coding(table(["a", "b"]), "label")
    with pytest.raises(UserError, match=r"dev.tsv has labels that the train rows don't have: 'c'.*dev.tsv, line 3"):
        encode_labels(table(["a", "c"], "dev.tsv"), "label", coding)


def test_declared_ids_must_be_in_range_and_given():
    names = {"label": ("a", "b")}
    coding = decide_coding(table([0, 1], class_names=names), "label")
    with pytest.raises(UserError, match="label 2 but only 2 classes are declared"):
        encode_labels(table([0, 2], class_names=names), "label", coding)
    with pytest.raises(UserError, match=r"no label in column 'label' .2 such rows"):
        encode_labels(table([-1, -1, 0], class_names=names), "label", coding)
