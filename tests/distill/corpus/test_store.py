import os
from dataclasses import replace

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from distill.corpus import store
from distill.corpus.store import tokenised
from distill.corpus.texts import Texts
from pocketbert.errors import UserError

WORDS = 50
TEXTS = [" ".join(f"w{(3 * number + place) % WORDS}" for place in range(number % 9 + 1)) for number in range(900)]


@pytest.fixture
def tokenizer():
    inner = Tokenizer(WordLevel({"[CLS]": 0, "[SEP]": 1} | {f"w{n}": n + 2 for n in range(WORDS)}, unk_token="w0"))
    inner.pre_tokenizer = Whitespace()
    inner.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def _texts(texts=TEXTS, fingerprint="texts"):
    return Texts("test", fingerprint, lambda: iter(texts))


def _inner(rows):
    return [row["input_ids"][1:-1] for row in rows]


def test_a_row_a_text(tokenizer, tmp_path):
    corpus = tokenised(_texts(), tokenizer, 6, packed=False, cache_dir=tmp_path)
    assert all(row["input_ids"][0] == 0 and row["input_ids"][-1] == 1 for row in corpus.train)
    assert all(row["length"] == len(row["input_ids"]) <= 6 for row in corpus.train)
    wanted = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    kept = [piece for ids in wanted for piece in (ids[start : start + 4] for start in range(0, len(ids), 4))]
    assert sorted(_inner(corpus.train) + _inner(corpus.evaluation)) == sorted(kept)


def test_packed_rows_are_full_and_keep_the_order_of_the_text(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "TEXTS_A_BATCH", 7)
    corpus = tokenised(_texts(), tokenizer, 16, packed=True, cache_dir=tmp_path)
    assert {row["length"] for row in corpus.train} == {16}
    apart = tokenised(_texts(), tokenizer, 64, packed=False, cache_dir=tmp_path)
    stream = [token for ids in _inner(apart.train) for token in (*ids, 1)]
    packed = [token for ids in _inner(corpus.train) for token in ids]
    assert packed == stream[: len(packed)]
    assert len(stream) - len(packed) < 14


def test_long_texts_are_not_gathered_without_end(tokenizer, tmp_path, monkeypatch):
    whole = tokenised(_texts(), tokenizer, 16, packed=True, cache_dir=tmp_path / "a")
    sizes, real = [], store._Part._flush

    def flush(self):
        sizes.append(sum(map(len, self._texts)))
        real(self)

    monkeypatch.setattr(store._Part, "_flush", flush)
    monkeypatch.setattr(store, "CHARACTERS_A_BATCH", 100)
    parts = tokenised(_texts(), tokenizer, 16, packed=True, cache_dir=tmp_path / "b")
    assert max(sizes) < 100 + max(map(len, TEXTS))
    assert _inner(parts.train) == _inner(whole.train)


def test_parts_share_no_text_and_are_the_same_again(tokenizer, tmp_path):
    first = tokenised(_texts(), tokenizer, 12, packed=False, cache_dir=tmp_path / "a")
    turned = tokenised(_texts(TEXTS[::-1], "turned"), tokenizer, 12, packed=False, cache_dir=tmp_path / "b")
    train, held_out = ({tuple(ids) for ids in _inner(part)} for part in (first.train, first.evaluation))
    assert held_out
    assert not train & held_out
    assert {tuple(ids) for ids in _inner(turned.evaluation)} == held_out


def test_it_is_tokenised_once(tokenizer, tmp_path):
    first = tokenised(_texts(), tokenizer, 12, packed=True, cache_dir=tmp_path)
    again = tokenised(_texts([]), tokenizer, 12, packed=True, cache_dir=tmp_path)
    assert again.train["input_ids"][:] == first.train["input_ids"][:]
    assert "read from" in again.message
    assert tokenised(_texts(), tokenizer, 13, packed=True, cache_dir=tmp_path).fingerprint != first.fingerprint


def test_too_little_text_leaves_nothing_behind(tokenizer, tmp_path):
    with pytest.raises(UserError, match="too little text"):
        tokenised(_texts(["w1 w2"]), tokenizer, 12, packed=True, cache_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_can_not_be_written_is_one_line(tokenizer, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="set XDG_CACHE_HOME"):
        tokenised(_texts(), tokenizer, 12, packed=True, cache_dir=tmp_path / "file" / "cache")


def test_another_run_may_have_written_the_same_meanwhile(tokenizer, tmp_path):
    def read():
        yield from TEXTS
        if not list(tmp_path.glob("corpus-*")):
            tokenised(_texts(), tokenizer, 12, packed=True, cache_dir=tmp_path)

    corpus = tokenised(Texts("test", "texts", read), tokenizer, 12, packed=True, cache_dir=tmp_path)
    assert len(corpus.train)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_run_left_is_removed(tokenizer, tmp_path):
    key = tokenised(_texts(), tokenizer, 12, packed=True, cache_dir=tmp_path).fingerprint
    (tmp_path / f"corpus-{key}").rename(tmp_path / f".corpus-{key}.999999999.dead")
    (tmp_path / f".corpus-{key}.{os.getpid()}.alive").mkdir()
    tokenised(_texts(), tokenizer, 12, packed=True, cache_dir=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"corpus-{key}", f".corpus-{key}.{os.getpid()}.alive"}


def test_a_damaged_corpus_is_tokenised_again(tokenizer, tmp_path):
    first = tokenised(_texts(), tokenizer, 12, packed=True, cache_dir=tmp_path)
    whole, file = first.train["input_ids"][:], tmp_path / f"corpus-{first.fingerprint}" / "train.arrow"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[: len(content) // 2])
    again = tokenised(_texts(), tokenizer, 12, packed=True, cache_dir=tmp_path)
    assert "tokenised and kept" in again.message
    assert again.train["input_ids"][:] == whole


def test_a_disk_too_small_is_told_before(tokenizer, tmp_path):
    with pytest.raises(UserError, match=r"the tokenised corpus needs about .* with XDG_CACHE_HOME"):
        tokenised(replace(_texts(), size=10**18), tokenizer, 12, packed=True, cache_dir=tmp_path)


def test_a_long_text_is_cut(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "LONGEST_TEXT", 30)
    corpus = tokenised(_texts([*TEXTS, "w1 " * 500]), tokenizer, 12, packed=False, cache_dir=tmp_path)
    assert max(row["length"] for row in corpus.train) <= 12
