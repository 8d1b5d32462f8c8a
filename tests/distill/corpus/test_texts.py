import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.corpus import readers
from distill.corpus import texts as texts_module
from distill.corpus.texts import check_corpus, is_corpus, open_texts
from pocketbert.errors import UserError

TEXTS = ["one text", "another text", "a third"]


def _files(root):
    (root / "plain.txt").write_text("\n".join(TEXTS) + "\n\n")
    (root / "rows.jsonl").write_text("".join(json.dumps({"text": text, "id": 1}) + "\n" for text in TEXTS))
    pq.write_table(pa.table({"text": [*TEXTS, None], "id": [1, 2, 3, 4]}), root / "rows.parquet")


@pytest.mark.parametrize("name", ["plain.txt", "rows.jsonl", "rows.parquet"])
def test_every_format_gives_the_same_texts(tmp_path, name):
    _files(tmp_path)
    texts = open_texts(f"corpus:{tmp_path / name}")
    assert list(texts.read()) == list(texts.read()) == TEXTS


def test_half_a_character_is_replaced(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a \\ud800 b"}\n')
    assert list(open_texts(f"corpus:{tmp_path / 'a.jsonl'}").read()) == ["a ? b"]


def test_a_folder_gives_all_its_files_and_notices_a_change(tmp_path):
    _files(tmp_path)
    before = open_texts(f"corpus:{tmp_path}")
    assert list(before.read()) == 3 * TEXTS
    (tmp_path / "plain.txt").write_text("changed\n")
    assert open_texts(f"corpus:{tmp_path}").fingerprint != before.fingerprint


def test_of_a_table_only_the_texts_are_read_and_few_at_once(tmp_path, monkeypatch):
    pq.write_table(pa.table({"id": range(1000), "text": [f"text {n}" for n in range(1000)]}), tmp_path / "a.parquet")
    real, sizes = readers.of_batches, []

    def watched(batches, name):
        return real((sizes.append((batch.num_rows, batch.schema.names)) or batch for batch in batches), name)

    monkeypatch.setattr(readers, "of_batches", watched)
    assert len(list(open_texts(f"corpus:{tmp_path / 'a.parquet'}").read())) == 1000
    assert max(rows for rows, _ in sizes) <= readers.ROWS_AT_ONCE
    assert all(names == ["text"] for _, names in sizes)
    pq.write_table(pa.table({"id": [1], "body": ["text"]}), tmp_path / "b.parquet")
    with pytest.raises(UserError, match="no column 'text'; it has id, body"):
        list(open_texts(f"corpus:{tmp_path / 'b.parquet'}").read())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.doc", "text", "its suffix is none of"),
        ("a.jsonl", '{"text": "fine"}\n{"body": 1}\n', "line 2: no object with the key 'text'"),
        ("a.jsonl", "{\n", "line 1: not JSON"),
        ("a.jsonl", '{"text": 5}\n', "line 1: 'text' holds 5"),
        ("a.parquet", "no parquet", "not a Parquet file"),
        ("a.txt", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_bad_files_are_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message):
        list(open_texts(f"corpus:{tmp_path / name}").read())


def test_what_is_not_there_is_told_without_reading(tmp_path):
    with pytest.raises(UserError, match="no file or folder"):
        check_corpus(f"corpus:{tmp_path / 'nothing.txt'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no file in that folder"):
        check_corpus(f"corpus:{tmp_path / 'empty'}")
    with pytest.raises(UserError, match="names no path"):
        check_corpus("corpus:")


def test_the_embedded_corpus_is_of_this_machine():
    texts = open_texts("corpus").read()
    first = [next(texts) for _ in range(50)]
    assert len(set(first)) == 50
    assert all(text == text.strip() and "\n" not in text for text in first)


def test_a_hub_dataset_gives_its_train_split(monkeypatch):
    def opened(column):
        return lambda name: (lambda: iter(pa.table({column: TEXTS}).to_batches()), f"version of {name}")

    monkeypatch.setattr(texts_module, "stream_hub", opened("text"))
    texts = open_texts("corpus:owner/words")
    assert list(texts.read()) == list(texts.read()) == TEXTS
    monkeypatch.setattr(texts_module, "stream_hub", opened("body"))
    with pytest.raises(UserError, match="has no column 'text'; it has body"):
        list(open_texts("corpus:owner/words").read())


def test_several_places_are_one_corpus(tmp_path):
    _files(tmp_path)
    (tmp_path / "a,b.txt").write_text("with a comma\n")
    plain, rows = tmp_path / "plain.txt", tmp_path / "rows.jsonl"
    both = open_texts(f"corpus:{plain},{rows}")
    assert list(both.read()) == list(both.read()) == 2 * TEXTS
    assert both.name == "plain + rows" and both.fingerprint != open_texts(f"corpus:{rows},{plain}").fingerprint
    assert list(open_texts(f"corpus:{tmp_path / 'a,b.txt'}").read()) == ["with a comma"]
    with_docstrings = open_texts(f"corpus:{plain},docstrings").read()
    assert [next(with_docstrings) for _ in range(4)] == [*TEXTS, next(open_texts("corpus").read())]
    for wrong, message in (
        (f"{plain},", "nothing before or after a comma"),
        (f"{plain},x/y/z.txt", "no file or folder"),
    ):
        with pytest.raises(UserError, match=message):
            check_corpus(f"corpus:{wrong}")


def test_what_is_a_corpus():
    assert is_corpus("corpus")
    assert is_corpus("corpus:wiki.txt")
    assert not is_corpus("corpus.txt")
