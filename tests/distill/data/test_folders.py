import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.data.folders import open_path
from pocketbert.errors import UserError
from tests.distill.data.writing import write

ROWS = ("text\tlabel", "a b\t1", "c d\t0")


def test_dev_comes_before_test(tmp_path):
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.tsv", *ROWS)
    source = open_path(tmp_path)
    assert source.evaluation.name.endswith("dev.tsv")
    assert source.messages == ("train: train.tsv; evaluation: dev.tsv.",)


@pytest.mark.parametrize("name", ["dev", "validation", "valid", "val", "Validation"])
def test_names_of_the_evaluation_file(tmp_path, name):
    write(tmp_path / "train.tsv", *ROWS)
    write(tmp_path / f"{name}.tsv", *ROWS)
    assert open_path(tmp_path).evaluation.name.endswith(f"{name}.tsv")


def test_test_is_taken_only_without_dev_and_that_is_said(tmp_path):
    for name in ("train", "test"):
        write(tmp_path / f"{name}.tsv", *ROWS)
    assert "test.tsv (there is no dev file)" in open_path(tmp_path).messages[0]


def test_shards_are_joined_in_order(tmp_path):
    for number in (0, 1):
        rows = pa.table({"text": [f"shard {number}"], "label": [number]})
        pq.write_table(rows, tmp_path / f"train-0000{number}-of-00002.parquet")
    assert open_path(tmp_path).train.data["text"].to_pylist() == ["shard 0", "shard 1"]


def test_shards_with_other_columns_are_refused(tmp_path):
    write(tmp_path / "train-0-of-2.tsv", *ROWS)
    write(tmp_path / "train-1-of-2.tsv", "text\tscore", "a\t1")
    with pytest.raises(UserError, match="must have the same columns"):
        open_path(tmp_path)


def test_two_files_of_one_split_are_refused(tmp_path):
    write(tmp_path / "train.tsv", *ROWS)
    write(tmp_path / "train.jsonl", "{}")
    with pytest.raises(UserError, match=r"train.jsonl, train.tsv, which are the same split: keep one"):
        open_path(tmp_path)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (["dev.tsv", "other.csv"], r"no train file, it holds dev.tsv, other.csv: it needs a file such as train.tsv"),
        (["notes.md"], "no train file, it holds notes.md"),
        ([], "no train file, it holds nothing"),
    ],
)
def test_a_folder_without_train_file_is_listed(tmp_path, held, message):
    for name in held:
        write(tmp_path / name, *ROWS)
    with pytest.raises(UserError, match=message):
        open_path(tmp_path)


def test_a_missing_path_names_near_matches_in_its_folder(tmp_path):
    write(tmp_path / "reviews.tsv", *ROWS)
    with pytest.raises(UserError, match=r"did you mean .*reviews.tsv\?"):
        open_path(tmp_path / "review.tsv")
    with pytest.raises(UserError, match=r"holds reviews.tsv"):
        open_path(tmp_path / "xyz")
    with pytest.raises(UserError, match=r"there is no folder .* either"):
        open_path(tmp_path / "nowhere" / "xyz")
