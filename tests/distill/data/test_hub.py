import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import constants
from huggingface_hub.utils import httpx

from distill.data import hub
from distill.data.hub import looks_like_hub_id, stream_hub
from distill.data.loading import load_task
from pocketbert.errors import UserError
from tests.distill.data.writing import NEGATIVE, POSITIVE

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = """---
configs:
- config_name: movies
  data_files:
  - {split: train, path: movies/train.parquet}
  - {split: validation, path: movies/validation.parquet}
  - {split: test, path: movies/test.parquet}
- config_name: books
  data_files:
  - {split: test, path: movies/test.parquet}
---
"""


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Point both caches of the Hub at an empty folder, offline."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.fixture
def snapshot(caches):
    """Lay a dataset out as huggingface_hub does; GLUE's test split has -1 for its labels."""
    repository = caches / "hub" / "datasets--people--reviews"
    folder = repository / "snapshots" / COMMIT
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (folder / "movies").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    for name, rows in splits().items():
        rows.to_parquet(folder / "movies" / f"{name}.parquet")
    return folder


def splits():
    features = Features(
        {"sentence": Value("string"), "label": ClassLabel(names=["bad", "good"]), "idx": Value("int32")}
    )
    texts, labels = [*POSITIVE, *NEGATIVE], [1] * 5 + [0] * 5
    train = {"sentence": texts, "label": labels, "idx": range(10)}
    validation = {"sentence": ["fine", "poor"], "label": [1, 0], "idx": range(2)}
    test = {"sentence": ["what"], "label": [-1], "idx": [0]}
    parts = {"train": train, "validation": validation, "test": test}
    return DatasetDict({name: Dataset.from_dict(part, features=features) for name, part in parts.items()})


@pytest.mark.usefixtures("snapshot")
def test_a_downloaded_dataset_loads_offline_with_its_class_names():
    data = load_task("people/reviews/movies")
    assert data.task.labels == ("bad", "good")
    assert data.task.name == "people-reviews-movies"
    assert data.train.num_rows == 10
    assert data.evaluation["label"][:] == [1, 0]
    assert data.messages[0] == "Hub dataset 'people/reviews/movies': train: train; evaluation: validation."


@pytest.mark.usefixtures("snapshot")
def test_a_downloaded_dataset_is_streamed_from_its_files(caches):
    batches, version = stream_hub("people/reviews/movies")
    assert version == COMMIT
    for _ in range(2):  # from the beginning each time
        assert [text for batch in batches() for text in batch["sentence"].to_pylist()] == [*POSITIVE, *NEGATIVE]
    assert not list((caches / "datasets").rglob("*.arrow")), "no copy is written"


@pytest.mark.usefixtures("caches")
def test_a_stream_that_breaks_off_is_one_line(monkeypatch):
    def rows():
        yield {"text": "first"}
        raise httpx.ReadError("connection reset")

    broken = datasets.IterableDatasetDict({"train": datasets.IterableDataset.from_generator(rows)})
    monkeypatch.setattr(hub, "_load", lambda *_, **__: (broken, "1"))
    batches, _ = stream_hub("people/reviews")
    with pytest.raises(UserError, match=r"broke off .*connection reset.*run the command again"):
        list(batches())


@pytest.mark.usefixtures("snapshot")
def test_a_missing_or_unknown_configuration_lists_what_there_is():
    with pytest.raises(UserError, match=r"'people/reviews' can't be loaded: .*'movies', 'books'"):
        load_task("people/reviews")
    with pytest.raises(UserError, match=r"'people/reviews/films' can't be loaded: .*'movies', 'books'"):
        load_task("people/reviews/films")


@pytest.mark.usefixtures("snapshot")
def test_a_dataset_without_train_split_is_refused():
    with pytest.raises(UserError, match="'people/reviews/books' has no train split; it has test"):
        load_task("people/reviews/books")


def test_a_dataset_that_was_prepared_before_loads_offline(snapshot, caches):
    prepared = caches / "datasets" / "people___reviews" / "movies" / "0.0.0" / COMMIT
    datasets.load_dataset(str(snapshot), "movies", cache_dir=str(caches / "elsewhere"))
    (written,) = (caches / "elsewhere").rglob("dataset_info.json")
    prepared.parent.mkdir(parents=True)
    written.parent.rename(prepared)
    for file in prepared.glob("*.arrow"):
        file.rename(prepared / f"reviews-{file.name.rpartition('-')[2]}")
    (caches / "hub").rename(caches / "gone")
    assert load_task("people/reviews/movies").train.num_rows == 10


@pytest.mark.usefixtures("caches")
@pytest.mark.parametrize("source", ["imdb", "glue/sst2", "nyu-mll/glue/sst2"])
def test_an_unreachable_hub_names_the_ways_out(source):
    with pytest.raises(UserError, match=f"'{source}' is no file or folder, .*--data apidocs.* or a local path"):
        load_task(source)


@pytest.mark.usefixtures("caches")
def test_the_offline_switch_is_put_back(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "hub_reachable", lambda: False)
    with pytest.raises(UserError, match="can't be reached"):
        load_task("glue/sst2")
    assert (constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE) == (False, False)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (DatasetNotFoundError("no such"), "no dataset 'people/reviews' on the Hub"),
        (ConnectionError("gone"), "the Hub can't be reached .*--data apidocs"),
        (httpx.ReadTimeout("late"), "the Hub can't be reached .*--data apidocs"),
        (
            RuntimeError("Dataset scripts are no longer supported,\nbut found reviews.py"),
            "supported, but found reviews.py",
        ),
    ],
)
def test_what_the_hub_refuses_is_said(monkeypatch, failure, message):
    def load(*arguments, **_):
        raise failure

    monkeypatch.setattr(hub, "hub_reachable", lambda: True)
    monkeypatch.setattr(hub, "load_dataset", load)
    with pytest.raises(UserError, match=message):
        load_task("people/reviews")


@pytest.mark.parametrize(("source", "expected"), [("a/b/c", True), ("imdb", True), ("a b", False), ("a/b/c/d", False)])
def test_hub_ids(source, expected):
    assert looks_like_hub_id(source) is expected
