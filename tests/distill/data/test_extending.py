from datasets import Dataset

from distill.data.extending import extended
from distill.data.loading import load_task


def _task(tmp_path):
    (tmp_path / "train.tsv").write_text("sentence\tlabel\n" + "".join(f"text {i}\t{i % 2}\n" for i in range(8)))
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\ndev 0\t0\ndev 1\t1\n")
    (tmp_path / "more.txt").write_text("more text\n")
    return load_task(str(tmp_path), unlabelled=str(tmp_path / "more.txt"))


def test_copies_stand_behind_the_unlabelled_texts_and_no_text_comes_twice(tmp_path):
    data = _task(tmp_path)
    got = extended(
        data, Dataset.from_dict({"text": ["a copy", "dev 1", "text 3", "another", "more text", "a copy"]}), "copies"
    )
    assert got.unlabelled["text"][:] == ["more text", "a copy", "another"]
    assert got.augmented == 2
    assert got.messages[-2:] == (
        "2 copies.", "4 copies dropped: their text is in the data already, or another copy's."
    )  # fmt: skip
    assert got.train == data.train
    assert got.fingerprint != data.fingerprint
