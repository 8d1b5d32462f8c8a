import numpy as np
import pyarrow as pa
import pytest

from distill.data.columns import Columns
from distill.data.splits import joined_splits, make_split, split_off
from distill.data.tables import Table
from pocketbert.errors import UserError


def split(texts, pairs=None):
    columns = {"a": texts} | ({"b": pairs} if pairs else {})
    return make_split(Table("t.tsv", pa.table(columns)), tuple(columns), None, None)


def test_rows_with_an_empty_text_are_dropped_and_counted():
    rows = split(["x", " ", None, "y"])
    assert (rows.data["text"].to_pylist(), rows.dropped) == (["x", "y"], 2)
    pairs = split(["x", "y", "z"], ["1", "", "3"])
    assert (pairs.data["text_pair"].to_pylist(), pairs.dropped) == (["1", "3"], 1)


def test_empty_texts_only_are_refused():
    with pytest.raises(UserError, match=r"t.tsv: column 'a' has empty texts only"):
        split(["", " "])


def test_lists_are_no_texts_and_numbers_are():
    with pytest.raises(UserError, match="column 'a' holds lists or objects, not text"):
        split([["x"], ["y"]])
    assert split([1, 2]).data["text"].to_pylist() == ["1", "2"]


def test_equal_texts_have_equal_hashes_and_a_pair_is_no_joined_text():
    rows = split(["one", "two", " one "])
    assert rows.hashes[0] == rows.hashes[2] != rows.hashes[1]
    assert split(["ab"], ["c"]).hashes[0] != split(["a"], ["bc"]).hashes[0]


def test_hashes_are_the_same_on_every_machine():
    digest = bytes.fromhex("34f2ddaa8b7615c9")  # printf one | b2sum -l 64
    assert int(split(["one"]).hashes[0]) == int.from_bytes(digest, "little")


def test_a_tenth_is_split_off_and_copies_stay_together():
    texts = [f"text {number}" for number in range(2000)]
    train, evaluation = split_off(split(texts + texts), "t.tsv", Columns(("a",), "b", ""))
    assert len(train) + len(evaluation) == 4000
    assert 300 < len(evaluation) < 500
    assert not np.isin(train.hashes, evaluation.hashes).any()


def test_more_rows_do_not_move_the_others():
    texts = [f"text {number}" for number in range(400)]
    parts = [split_off(split(some), "t.tsv", Columns(("a",), "b", ""))[1] for some in (texts[:200], texts)]
    few, many = (set(part.data["text"].to_pylist()) for part in parts)
    assert few == many & set(texts[:200])


def test_too_few_rows_are_not_split():
    with pytest.raises(UserError, match=r"t.tsv has 1 rows, too few to split.*columns a, b"):
        split_off(split(["x"]), "t.tsv", Columns(("a",), "b", ""))


def test_lowest_keeps_the_order_of_the_rows():
    rows = split([f"text {number}" for number in range(50)])
    few = rows.lowest(10)
    assert len(few) == 10
    assert few.hashes.max() == np.sort(rows.hashes)[9]
    positions = [rows.data["text"].to_pylist().index(text) for text in few.data["text"].to_pylist()]
    assert positions == sorted(positions)
    assert rows.lowest(None) is rows
    assert rows.lowest(50) is rows


def test_digest_stands_for_texts_and_their_order():
    first, second = split(["x", "y"]), split(["y", "x"])
    assert first.digest() == split(["x", "y"]).digest() != second.digest()
    assert joined_splits([split(["x"]), split(["y"])]).digest() == first.digest()
