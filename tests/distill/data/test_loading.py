import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Value

from distill.data.loading import load_task
from pocketbert.errors import DoesNotFit, UserError
from tests.distill.data.writing import jsonl, sentiment_folder, sentiment_lines, write

PAIR = "sentence1\tsentence2"


def pairs(label, *values):
    return [
        f"{PAIR}\t{label}",
        *(f"a first text {n}\ta second text {n}\t{value}" for n, value in enumerate(values)),
    ]


def test_sentiment_loads_with_its_path_alone(tmp_path):
    data = load_task(str(sentiment_folder(tmp_path / "sst2")))
    assert (data.task.name, data.task.kind, data.task.metric) == ("sst2", "classification", "accuracy")
    assert (data.task.labels, data.task.outputs, data.task.pairs) == (("0", "1"), 2, False)
    assert data.train.features == {"text": Value("string"), "label": Value("int64")}
    assert (data.train.num_rows, data.evaluation.num_rows, data.unlabelled) == (40, 2, None)
    assert data.train[2] == {"text": 'she said " yes " and it works 0', "label": 1}
    assert "text: 'sentence' (by its name); label: 'label' (by its name)." in data.messages


def test_acceptability_with_matthews(tmp_path):
    data = load_task(str(sentiment_folder(tmp_path / "cola")), metric="matthews")
    assert data.task.metric == "matthews"


def test_paraphrases_are_pairs_and_f1_names_its_class(tmp_path):
    write(tmp_path / "train.tsv", *pairs("label", 1, 0, 1))
    write(tmp_path / "dev.tsv", *pairs("label", 0, 1))
    write(tmp_path / "test.tsv", *pairs("label", 0, 1, 1))
    data = load_task(str(tmp_path), metric="f1")
    assert data.task.text_columns == ("sentence1", "sentence2")
    assert data.evaluation.num_rows == 2
    assert data.train[0] == {"text": "a first text 0", "text_pair": "a second text 0", "label": 1}
    assert "f1 takes class '1' for the positive one." in data.messages


def test_similarity_is_regression(tmp_path):
    write(tmp_path / "train.tsv", *pairs("score", 0.5, 4, 3.25))
    write(tmp_path / "dev.tsv", *pairs("score", 1, 2))
    data = load_task(str(tmp_path))
    assert (data.task.kind, data.task.metric, data.task.labels, data.task.outputs) == ("regression", "spearman", (), 1)
    assert data.train.features["label"] == Value("float32")
    assert data.train["label"][:] == [0.5, 4.0, 3.25]
    assert data.evaluation.features["label"] == Value("float32")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_other_formats_give_the_same_task(tmp_path, suffix):
    folder = sentiment_folder(tmp_path / "task")
    expected = load_task(str(folder))
    other = tmp_path / suffix / "task"
    other.mkdir(parents=True)
    for name, rows in (("train", expected.train), ("dev", expected.evaluation)):
        texts, labels = rows["text"][:], rows["label"][:]
        path = other / f"{name}.{suffix}"
        if suffix == "csv":
            quoted = ('"{}"'.format(text.replace('"', '""')) for text in texts)
            write(path, "sentence,label", *(f"{text},{label}" for text, label in zip(quoted, labels, strict=True)))
        elif suffix == "jsonl":
            jsonl(path, [{"sentence": text, "label": label} for text, label in zip(texts, labels, strict=True)])
        else:
            pq.write_table(pa.table({"sentence": texts, "label": labels}), path)
    data = load_task(str(other))
    assert data.train.to_dict() == expected.train.to_dict()
    assert data.fingerprint == expected.fingerprint


def test_one_file_is_split_by_the_hash_of_the_text(tmp_path):
    path = write(tmp_path / "all.tsv", "sentence\tlabel", *sentiment_lines(30))
    data = load_task(str(path))
    assert data.train.num_rows + data.evaluation.num_rows == 300
    assert 15 <= data.evaluation.num_rows <= 50
    assert not set(data.train["text"][:]) & set(data.evaluation["text"][:])
    assert any(f"{data.evaluation.num_rows} rows split off by a hash" in message for message in data.messages)


def test_few_labels_leave_the_rest_unlabelled_and_the_choice_is_stable(tmp_path):
    folder = str(sentiment_folder(tmp_path))
    data, again = load_task(folder, labelled_rows=10), load_task(folder, labelled_rows=10)
    assert np.bincount(data.train["label"][:]).tolist() == [5, 5]
    assert data.unlabelled.column_names == ["text"]
    assert data.unlabelled.num_rows == 30
    assert data.train["text"][:] == again.train["text"][:]
    assert data.fingerprint == again.fingerprint != load_task(folder).fingerprint


def test_unlabelled_text_joins_what_lost_its_labels(tmp_path):
    folder = str(sentiment_folder(tmp_path))
    text = write(tmp_path / "more.txt", "a fine film", "an odd film", "", "a film")
    data = load_task(folder, labelled_rows=10, unlabelled=str(text))
    assert data.unlabelled.num_rows == 32
    assert data.unlabelled["text"][-2:] == ["an odd film", "a film"]
    assert "1 unlabelled rows dropped: their text stands in evaluation." in data.messages


def test_a_folder_of_unlabelled_text_is_all_its_files(tmp_path):
    folder = str(sentiment_folder(tmp_path))
    write(tmp_path / "more" / "a.txt", "an odd film")
    write(tmp_path / "more" / "b.tsv", "sentence", "a dull film")
    write(tmp_path / "more" / "notes.md", "not text of the task")
    data = load_task(folder, unlabelled=str(tmp_path / "more"))
    assert data.unlabelled["text"][:] == ["an odd film", "a dull film"]


def test_the_own_folder_as_unlabelled_text_adds_only_what_is_new(tmp_path):
    folder = sentiment_folder(tmp_path)
    data = load_task(str(folder), unlabelled=str(folder))
    assert data.unlabelled is None
    assert "40 unlabelled rows dropped: their text stands in the train rows." in data.messages


def test_unlabelled_pairs_come_from_the_same_columns(tmp_path):
    write(tmp_path / "train.tsv", *pairs("label", 1, 0, 1))
    write(tmp_path / "dev.tsv", *pairs("label", 0, 1))
    more = write(tmp_path / "more.csv", "sentence2,sentence1,other", "b,a,x")
    data = load_task(str(tmp_path), unlabelled=str(more))
    assert data.unlabelled.to_dict() == {"text": ["a"], "text_pair": ["b"]}


def test_nothing_unlabelled_is_left_when_all_stands_in_evaluation(tmp_path):
    text = write(tmp_path / "more.txt", "a fine film")
    assert load_task(str(sentiment_folder(tmp_path)), unlabelled=str(text)).unlabelled is None


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_rows_are_capped_by_the_same_hash_order(tmp_path, rows):
    folder = str(sentiment_folder(tmp_path))
    data = load_task(folder, train_rows=20, evaluation_rows=rows)
    assert (data.train.num_rows, data.evaluation.num_rows) == (20, min(rows, 2))
    assert set(load_task(folder, train_rows=10).train["text"][:]) < set(data.train["text"][:])


def test_texts_on_both_sides_and_empty_texts_are_said(tmp_path):
    lines = [*sentiment_lines(), "\t1", "a fine film\t1"]
    folder = sentiment_folder(tmp_path)
    write(folder / "train.tsv", "sentence\tlabel", *lines)
    data = load_task(str(folder))
    assert data.train.num_rows == 11
    assert data.repeated == 1
    assert f"{folder / 'train.tsv'}: 1 rows with an empty text dropped." in data.messages


def test_the_fingerprint_stands_for_content_and_task(tmp_path):
    folder = sentiment_folder(tmp_path / "task")
    prints = {load_task(str(folder)).fingerprint, load_task(str(folder), metric="f1").fingerprint}
    write(folder / "dev.tsv", "sentence\tlabel", "a fine film\t1", "a poor film\t1")
    prints.add(load_task(str(folder)).fingerprint)
    write(folder / "train.tsv", "sentence\tlabel", *sentiment_lines(3))
    prints.add(load_task(str(folder)).fingerprint)
    assert len(prints) == 4


def test_named_columns_and_forced_kind(tmp_path):
    rows = [{"head": f"title {n}", "body": f"some body {n}", "stars": n % 5, "label": "x"} for n in range(60)]
    path = jsonl(tmp_path / "reviews.jsonl", rows)
    data = load_task(str(path), text_columns=["head", "body"], label_column="stars", regression=True, metric="pearson")
    assert (data.task.text_columns, data.task.label_column, data.task.kind) == (("head", "body"), "stars", "regression")
    assert data.train.features["label"] == Value("float32")


def broken_folder(folder, train=None, dev=None):
    sentiment_folder(folder)
    if train is not None:
        write(folder / "train.tsv", *train)
    if dev is not None:
        write(folder / "dev.tsv", *dev)
    return folder


HEADER = "sentence\tlabel"


@pytest.mark.parametrize(
    ("train", "dev", "message"),
    [
        ([], None, "train.tsv is empty"),
        ([HEADER], None, "train.tsv has a header row .* no rows"),
        ([HEADER, "a\t1", "b\t1"], None, "train.tsv: column 'label' holds one class only"),
        ([HEADER, "a\t1", "b\t0", "c"], None, "train.tsv, line 4: 1 fields"),
        ([HEADER, "a\t1", "b\t"], None, "train.tsv, line 3: no label"),
        ([HEADER, " \t1", "\t0"], None, "train.tsv: column 'sentence' has empty texts only"),
        ([HEADER, "a\t1.5", "b\t0.5", "c\thigh"], None, "train.tsv, line 4: the target .* not a number: 'high'"),
        (None, [], "dev.tsv is empty"),
        (None, [HEADER, "a\t1", "b\t2"], "dev.tsv has labels that the train rows don't have: '2' .*dev.tsv, line 3"),
        (None, ["text\tlabel", "a\t1"], "dev.tsv has no column 'sentence'; it has 'text', 'label'"),
        (["a b\tc d", "e f\tg h"], None, "train.tsv has no column that is clearly the label; it has 'a b', 'c d'"),
    ],
)
def test_bad_files_are_refused(tmp_path, train, dev, message):
    with pytest.raises(UserError, match=message) as error:
        load_task(str(broken_folder(tmp_path, train, dev)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "acuracy"}, "unknown metric 'acuracy': did you mean accuracy"),
        ({"metric": "pearson"}, "metric 'pearson' is for regression, the task is classification"),
        ({"text_columns": ["sentense"]}, "no column 'sentense'; it has 'sentence', 'label'"),
        ({"label_column": "gold"}, "no column 'gold'; it has 'sentence', 'label'"),
        ({"labelled_rows": 1}, "--labelled-rows 1 does not fit: train has 40 rows of 2 classes"),
        ({"labelled_rows": 41}, "--labelled-rows 41 does not fit"),
        ({"train_rows": 0}, "--train-rows 0: take at least 1"),
        ({"train_rows": 1}, "the 1 train rows taken are of one class only"),
        ({"evaluation_rows": -3}, "--evaluation-rows -3"),
        ({"unlabelled": "{folder}/mor.txt"}, "no file or folder .*mor.txt"),
        ({"unlabelled": "{folder}/bare"}, "no file in that folder ends in .txt"),
        ({"unlabelled": "{folder}/empty.txt"}, "empty.txt is empty: it needs one text per line"),
        ({"unlabelled": "{folder}/other.csv"}, "other.csv has no column 'sentence'; it has 'words'"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, arguments, message):
    folder = sentiment_folder(tmp_path)
    write(folder / "empty.txt")
    write(folder / "other.csv", "words", "one")
    write(folder / "bare" / "notes.md", "not text of the task")
    filled = {
        name: value.format(folder=folder) if isinstance(value, str) else value for name, value in arguments.items()
    }
    with pytest.raises(UserError, match=message):
        load_task(str(folder), **filled)


def test_text_without_pairs_does_not_fit_a_task_of_pairs(tmp_path):
    write(tmp_path / "train.tsv", *pairs("label", 1, 0, 1))
    write(tmp_path / "dev.tsv", *pairs("label", 0, 1))
    text = write(tmp_path / "more.txt", "one")
    with pytest.raises(DoesNotFit, match="the task has pairs: give a file with the columns sentence1 and sentence2"):
        load_task(str(tmp_path), unlabelled=str(text))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "no data named: take apidocs"),
        ("n" * 5000, "--data nnn.*: File name too long"),
        ("apidoc", "unknown data 'apidoc': did you mean apidocs"),
        ("{folder}/ss2", "did you mean .*sst2"),
        ("reviews.tsv", "no file or folder reviews.tsv"),
        ("./nowhere", "no file or folder nowhere"),
        ("a/b/c/d", "no file or folder a/b/c/d: there is no folder a/b/c either"),
    ],
)
def test_sources_that_are_not_there_are_refused(tmp_path, source, message):
    sentiment_folder(tmp_path / "sst2")
    with pytest.raises(UserError, match=message):
        load_task(source.format(folder=tmp_path))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    rows = {"text": [b"fine", b"\xff\xfe", b"dull", b"good"], "label": [1, 0, 0, 1]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="column 'text' can't be read as text"):
        load_task(str(tmp_path / "a.parquet"))


def test_only_rows_that_are_taken_count_as_known(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [f"film {i}\t{i % 2}" for i in range(40)]
    (folder / "train.tsv").write_text("\n".join(["sentence\tlabel", *rows]) + "\n")
    (folder / "dev.tsv").write_text("\n".join(["sentence\tlabel", *rows[:6]]) + "\n")
    data = load_task(str(folder), train_rows=10, evaluation_rows=4, unlabelled=str(folder / "train.tsv"))
    known = set(data.train["text"][:]) | set(data.evaluation["text"][:])
    assert set(data.unlabelled["text"][:]) == {f"film {i}" for i in range(40)} - known
    assert data.repeated == len(set(data.train["text"][:]) & set(data.evaluation["text"][:]))
