import numpy as np
import pyarrow as pa
import pytest

from distill.data.labelled import keep_labelled
from distill.data.labels import LabelCoding
from distill.data.splits import make_split
from distill.data.tables import Table
from pocketbert.errors import UserError

CODING = LabelCoding("classification", ("0", "1", "2"), "")


def split(order=slice(None)):
    texts = [f"text number {number}" for number in range(200)]
    labels = ["0"] * 120 + ["1"] * 70 + ["2"] * 10
    table = Table("t", pa.table({"text": texts[order], "label": labels[order]}))
    return make_split(table, ("text",), "label", CODING)


@pytest.mark.parametrize(
    ("count", "expected"), [(20, [12, 7, 1]), (3, [1, 1, 1]), (10, [6, 3, 1]), (200, [120, 70, 10])]
)
def test_labels_are_kept_as_the_classes_are(count, expected):
    kept, rest = keep_labelled(split(), count, CODING)
    assert np.bincount(kept.data["label"].to_numpy()).tolist() == expected
    assert rest.data.column_names == ["text"]
    assert sorted(kept.data["text"].to_pylist() + rest.data["text"].to_pylist()) == sorted(
        split().data["text"].to_pylist()
    )


def test_the_choice_does_not_depend_on_the_order_of_the_rows():
    forward, backward = (keep_labelled(split(order), 30, CODING)[0] for order in (slice(None), slice(None, None, -1)))
    assert forward.data["text"].to_pylist() == backward.data["text"].to_pylist()[::-1]


def test_more_labels_contain_fewer():
    small, large = (keep_labelled(split(), count, CODING)[0].data["text"].to_pylist() for count in (20, 100))
    assert set(small) < set(large)


@pytest.mark.parametrize("count", [2, 201])
def test_counts_that_do_not_fit_are_refused(count):
    with pytest.raises(UserError, match=f"--labelled-rows {count} does not fit: train has 200 rows of 3 classes"):
        keep_labelled(split(), count, CODING)


def test_values_are_chosen_by_the_hash_alone():
    coding = LabelCoding("regression", (), "")
    table = Table("t", pa.table({"text": [f"text {number}" for number in range(50)], "label": [0.5] * 50}))
    rows = make_split(table, ("text",), "label", coding)
    kept, rest = keep_labelled(rows, 10, coding)
    assert kept.hashes.max() < rest.hashes.min()
