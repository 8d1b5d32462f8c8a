import shutil
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from transformers import BertForMaskedLM, BertModel

from distill.augmentation import store
from distill.augmentation.augmenter import load_augmenter
from distill.augmentation.settings import Augmentation
from distill.augmentation.store import augmented
from pocketbert.errors import UserError
from tests.conftest import tiny_bert

ROWS = Dataset.from_dict({"text": [f"the {word} film was very good" for word in ("bad", "unhappy", "good", "happy")]})
PAIRS = ROWS.add_column("text_pair", ["the movie was bad"] * 4)
SETTINGS = Augmentation(copies=6, candidates=3)


@pytest.fixture(scope="module", params=["a language head", "an encoder alone"])
def augmenter(request, tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    config, folder = tiny_bert(layers=1).config, tmp_path_factory.mktemp("model")
    model = BertForMaskedLM(config) if request.param == "a language head" else BertModel(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_augmenter(SETTINGS, str(folder))


def test_copies_differ_from_their_text_and_from_each_other(augmenter, tmp_path):
    copies, _ = augmented(ROWS, augmenter, SETTINGS, 0, tmp_path)
    assert len(copies) > len(ROWS)
    assert len(set(copies["text"])) == len(copies)
    assert not set(copies["text"]) & set(ROWS["text"])
    assert copies.column_names == ["text"]


def test_one_text_of_a_pair_is_changed(augmenter, tmp_path):
    copies, _ = augmented(PAIRS, augmenter, SETTINGS, 0, tmp_path)
    originals = dict(zip(PAIRS["text"], PAIRS["text_pair"], strict=True))
    changed = [(row["text"] not in originals, row["text_pair"] not in originals.values()) for row in copies]
    assert {(True, False), (False, True)} == set(changed)


def test_an_interrupted_making_ends_where_the_straight_one_ends(augmenter, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS_A_PART", 1)
    straight, _ = augmented(ROWS, augmenter, SETTINGS, 0, tmp_path / "straight")
    written = []

    def stop_after_two(columns, file):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(file)
        write(columns, file)

    write = store._write
    monkeypatch.setattr(store, "_write", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        augmented(ROWS, augmenter, SETTINGS, 0, tmp_path / "stopped")
    monkeypatch.setattr(store, "_write", lambda columns, file: (written.append(file), write(columns, file)))
    again, folder = augmented(ROWS, augmenter, SETTINGS, 0, tmp_path / "stopped")
    assert again["text"][:] == straight["text"][:]
    assert len(written) == len(set(written)) == 4, "finished parts are not made again"
    assert not list(folder.glob("*.partial"))


def test_a_row_is_changed_alike_whatever_is_beside_it(augmenter, tmp_path):
    all_rows, _ = augmented(ROWS, augmenter, SETTINGS, 0, tmp_path)
    alone, _ = augmented(ROWS.select([2]), augmenter, SETTINGS, 0, tmp_path)
    assert set(alone["text"]) <= set(all_rows["text"])


def test_another_seed_makes_other_copies(augmenter, tmp_path):
    first, second = (augmented(ROWS, augmenter, SETTINGS, seed, tmp_path)[0]["text"][:] for seed in (0, 1))
    assert first != second


def test_a_folder_that_can_not_be_written_is_told(augmenter, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        augmented(ROWS, augmenter, SETTINGS, 0, tmp_path / "file")


def test_only_a_language_model_is_asked_for_words_of_one_piece(augmenter):
    assert (augmenter.language is None) == ("every word by the nearest" in augmenter.message)


def test_a_model_without_a_language_head_is_refused_by_name(tokenizer, tmp_path):
    BertModel(tiny_bert(layers=1).config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"without a language head\. Name a masked language model"):
        load_augmenter(Augmentation(model=str(tmp_path)), "unused")


def test_the_cost_is_said_once_and_a_full_disk_refused(augmenter, tmp_path, monkeypatch, capsys):
    augmented(ROWS, augmenter, SETTINGS, 0, tmp_path)
    assert "augmenting 4 rows: about" in capsys.readouterr().err
    augmented(ROWS, augmenter, SETTINGS, 0, tmp_path)
    assert "about" not in capsys.readouterr().err
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=3))
    with pytest.raises(UserError, match=r"augmented text needs about .* another folder with XDG_CACHE_HOME"):
        augmented(ROWS, augmenter, SETTINGS, 1, tmp_path)
