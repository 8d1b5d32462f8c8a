import time

import pytest
import torch
from huggingface_hub import constants

from pocketbert.errors import UserError
from teachers import sources
from teachers.catalogue import TEACHERS
from teachers.sources import locate


@pytest.mark.parametrize("name", TEACHERS)
def test_every_entry_names_a_source(name):
    source = TEACHERS[name].source
    assert source.startswith("package:") or source.count("/") == 1
    assert TEACHERS[name].summary


def test_near_matches_for_an_unknown_name():
    with pytest.raises(UserError, match="did you mean bert-base"):
        locate("bert-bas")


@pytest.mark.parametrize("name", ["./nothing/here", "/nothing/here", "some/where/else"])
def test_a_path_that_is_not_there_is_called_so(name):
    with pytest.raises(UserError, match=f"no such folder: {name}"):
        locate(name)


def test_an_empty_name(tmp_path):
    with pytest.raises(UserError, match="no teacher named"):
        locate("")


def test_a_file_is_not_a_folder(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is a file"):
        locate(str(path))


def test_a_folder_without_configuration(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        locate(str(tmp_path))


def test_a_folder_without_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no weights"):
        locate(str(tmp_path))


def test_pickled_weights_are_refused_with_a_remedy(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pickled weights \(pytorch_model.bin\).*save_pretrained"):
        locate(str(tmp_path))


def test_the_hub_out_of_reach_is_said_within_ten_seconds(monkeypatch):
    monkeypatch.setattr(sources, "hub_reachable", lambda: False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    begin = time.monotonic()
    with pytest.raises(UserError, match=r"can't be reached.*--teacher minilm"):
        locate("bert-large")
    assert time.monotonic() - begin < 10


def test_the_hub_switched_off_is_said(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        locate("nobody/nothing")


def test_a_cached_model_needs_no_network(tmp_path, monkeypatch, bert):
    """The cache as huggingface_hub lays it out: models--OWNER--NAME/{refs/main,snapshots/COMMIT}."""
    commit = "a" * 40
    root = tmp_path / "models--google-bert--bert-base-uncased"
    bert().save_pretrained(root / "snapshots" / commit)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(sources, "snapshot_download", _with_cache(tmp_path))
    assert locate("bert-base") == root / "snapshots" / commit


def _with_cache(folder):
    real = sources.snapshot_download
    return lambda *args, **kwargs: real(*args, cache_dir=folder, **kwargs)


def test_a_wrong_checksum_is_refused(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"tampered")
    monkeypatch.setattr(sources, "_package_folder", lambda package, name: tmp_path / "model")
    with pytest.raises(UserError, match="SHA-256 differs"):
        locate("minilm")
