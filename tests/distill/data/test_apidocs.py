from itertools import islice

import numpy as np
import pyarrow.compute as pc
import pytest

from distill.data import apidocs
from distill.data.apidocs import GIVEAWAYS, LIBRARIES, WORDS, build_apidocs
from distill.data.docstrings import first_sentences, library_folder
from distill.data.loading import load_task
from pocketbert.errors import UserError

SMALL = {"jinja2": "Jinja2", "rich": "rich", "pydantic": "pydantic"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    build_apidocs(folder, 120, SMALL)
    return folder


def rows(source):
    return [
        (sentence, library)
        for table in (source.train, source.evaluation)
        for sentence, library in zip(*table.data.to_pydict().values(), strict=True)
    ]


def test_classes_are_balanced_and_sentences_are_usable_and_unshared(cache):
    source = build_apidocs(cache, 120, SMALL)
    for table, count in ((source.train, 108), (source.evaluation, 12)):
        assert table.columns == ("sentence", "library")
        counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(table.data["library"]).to_pylist()}
        assert counts.keys() == SMALL.keys()
        assert len(set(counts.values())) == 1
        assert 0.6 * count <= counts["rich"] <= count
    sentences = [sentence for sentence, _ in rows(source)]
    assert len(set(sentences)) == len(sentences)
    assert all(len(sentence.split()) in WORDS and not GIVEAWAYS.search(sentence) for sentence in sentences)


def test_it_is_read_from_the_cache_and_rebuilt_alike(cache, tmp_path, monkeypatch):
    built = build_apidocs(tmp_path, 120, SMALL)
    assert "built from the installed libraries and kept as" in built.messages[0]
    monkeypatch.setattr(apidocs, "_build", None)  # calling it would fail
    cached = build_apidocs(tmp_path, 120, SMALL)
    assert "read from" in cached.messages[0]
    assert rows(cached) == rows(built) == rows(build_apidocs(cache, 120, SMALL))


def test_versions_and_sizes_have_caches_of_their_own(tmp_path, monkeypatch):
    build_apidocs(tmp_path, 20, SMALL)
    build_apidocs(tmp_path, 30, SMALL)
    monkeypatch.setattr(apidocs.importlib.metadata, "version", lambda name: "0.0.1")
    build_apidocs(tmp_path, 20, SMALL)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_broken_cache_file_is_built_anew(tmp_path):
    whole = rows(build_apidocs(tmp_path, 20, SMALL))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert rows(build_apidocs(tmp_path, 20, SMALL)) == whole
    assert rows(build_apidocs(tmp_path, 20, SMALL)) == whole


def test_a_cache_folder_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    assert "but not kept" in build_apidocs(tmp_path / "file", 20, SMALL).messages[0]


def test_libraries_that_are_missing_are_left_out_and_one_is_too_few(tmp_path):
    source = build_apidocs(tmp_path, 20, SMALL | {"no_such_library": "no-such-library"})
    assert set(source.train.data["library"].to_pylist()) == SMALL.keys()
    with pytest.raises(UserError, match=r"needs the docstrings of two of the libraries .*for jinja2: install"):
        build_apidocs(tmp_path, 20, {"jinja2": "Jinja2", "no_such_library": "no-such-library"})


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_of_the_task_is_installed_and_documented(library):
    assert apidocs.installed_version(library, LIBRARIES[library])
    assert len(list(islice(first_sentences(library_folder(library)), 50))) == 50


def test_the_task_loads_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(apidocs, "LIBRARIES", SMALL)
    data = load_task("apidocs", cache_dir=tmp_path, rows_per_class=30)
    assert data.task.labels == ("jinja2", "pydantic", "rich")
    assert set(np.bincount(data.train["label"][:])) == {data.train.num_rows // 3}
