import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from distill.data.formats import READERS, read_table, read_txt
from distill.data.jsonlines import read_jsonl
from pocketbert.errors import UserError
from tests.distill.data.writing import jsonl, write

ROWS = {"text": ["one, two", 'say "hi"', "ünï"], "label": [1, 0, 1]}


def write_as(path):
    if path.suffix == ".parquet":
        pq.write_table(pa.table(ROWS), path)
    elif path.suffix in {".jsonl", ".json"}:
        jsonl(path, [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)])
    elif path.suffix == ".csv":
        write(path, "text,label", '"one, two",1', '"say ""hi""",0', "ünï,1")
    else:
        write(path, "text\tlabel", "one, two\t1", 'say "hi"\t0', "ünï\t1")
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_format_reads_the_same_rows(tmp_path, suffix):
    table = read_table(write_as(tmp_path / f"train{suffix}"))
    assert table.data["text"].to_pylist() == ROWS["text"]
    assert [int(value) for value in table.data["label"].to_pylist()] == ROWS["label"]


@pytest.mark.parametrize("suffix", READERS)
def test_an_empty_file_of_every_format_is_refused(tmp_path, suffix):
    path = tmp_path / f"train{suffix}"
    path.touch()
    with pytest.raises(UserError, match=str(path)):
        read_table(path)


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"suffix '.xlsx', which is none of .tsv"):
        read_table(write(tmp_path / "train.xlsx", "x"))


def test_parquet_keeps_declared_class_names_and_decodes_dictionaries(tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    Dataset.from_dict(ROWS, features=features).to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").class_names == {"label": ("no", "yes")}
    pq.write_table(pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode()}), tmp_path / "b.parquet")
    table = read_table(tmp_path / "b.parquet")
    assert pa.types.is_string(table.data["text"].type)
    assert table.where(1) == f"{tmp_path / 'b.parquet'}, row 2"


def test_parquet_with_a_column_twice_is_refused(tmp_path):
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="two columns named 'text'"):
        read_table(tmp_path / "a.parquet")


def test_parquet_metadata_that_is_broken_is_passed_over(tmp_path):
    table = pa.table({"text": ["a"]}).replace_schema_metadata({"huggingface": "{"})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").class_names == {}


def test_parquet_without_rows_is_refused(tmp_path):
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="has no rows"):
        read_table(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "b", "label"', "line 3: invalid JSON .*write one whole object per line"),
        ("text, label", "line 3: invalid JSON .*mend or remove that line"),
        ('["b", 1]', "line 3: not a JSON object"),
        (r'{"text": "\ud800"}', "line 3: half a surrogate pair"),
        (r'{"\udfff": "b"}', "line 3: half a surrogate pair"),
        ('{"text": %s}' % ("9" * 5000), "line 3: JSON that can't be read"),
        ("[" * 100_000, "line 3: JSON that can't be read"),
    ],
)
def test_a_broken_json_line_is_named(tmp_path, line, message):
    with pytest.raises(UserError, match=message):
        read_jsonl(write(tmp_path / "a.jsonl", '{"text": "a", "label": 1}', "", line))


def test_a_json_line_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n{"text": "caf\xe9"}\n')
    with pytest.raises(UserError, match="line 2: not UTF-8"):
        read_jsonl(tmp_path / "a.jsonl")


def test_json_keys_may_lack_and_types_may_mix(tmp_path):
    table = read_jsonl(jsonl(tmp_path / "a.jsonl", [{"text": "a", "score": 1}, {"score": "high"}]))
    assert table.data.to_pydict() == {"text": ["a", None], "score": ["1", "high"]}


def test_plain_text_is_one_text_a_line(tmp_path):
    table = read_txt(write(tmp_path / "a.txt", "one", "", " two\tthree "), "sentence")
    assert table.data.to_pydict() == {"sentence": ["one", "two\tthree"]}
    assert table.lines.tolist() == [1, 3]
    with pytest.raises(UserError, match="is empty: it needs one text per line"):
        read_txt(write(tmp_path / "b.txt", ""), "sentence")
