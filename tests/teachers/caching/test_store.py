import numpy as np
import pytest
import torch

from teachers.caching import plan as plans
from teachers.caching import store
from teachers.caching.parts import Part
from teachers.caching.plan import plan, text_bytes
from teachers.caching.store import TeacherCache, error_of, find, make, missing

LENGTHS = np.random.default_rng(0).integers(2, 9, size=60).astype(np.int32)
PARTS = (Part("logits", None, (2,)), Part("hidden_states", 1, (3,)), Part("attention_scores", 0, (2,)))


class Teacher:
    """Says of each text what follows from its number; counts the texts that it is asked about."""

    def __init__(self, fails_after=None):
        self.asked = []
        self.fails_after = fails_after

    def __call__(self, texts):
        self.asked += texts.tolist()
        if self.fails_after is not None and len(self.asked) > self.fails_after:
            raise KeyboardInterrupt
        lengths = LENGTHS[texts]
        longest = lengths.max()
        mask = torch.arange(int(longest)) < torch.from_numpy(lengths)[:, None]
        return said(texts, int(longest)), mask


def said(texts, longest):
    number = torch.tensor([float(text) for text in texts])
    place = torch.arange(longest) / 16
    token = number[:, None] + place
    return {
        "logits": torch.stack([number, -number], -1),
        "hidden_states.1": torch.stack([token, -token, 2 * token], -1),
        "attention_scores.0": torch.stack([token[:, :, None] - place / 4, token[:, None, :] + place[:, None]], 1),
    }


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(plans, "SHARD_BYTES", 2000)
    monkeypatch.setattr(store, "BATCH_TOKENS", 30)


def _plan(code="fp32", most=1e9, key="k"):
    return plan(key, PARTS, code, LENGTHS, most)


def _check(cache, texts, longest):
    batch = cache.read(texts, longest)
    expected = said(texts, longest)
    torch.testing.assert_close(batch["logits"], expected["logits"])
    for row, text in enumerate(texts):
        n = LENGTHS[text]
        torch.testing.assert_close(batch["hidden_states"][1][row, :n], expected["hidden_states.1"][row, :n])
        torch.testing.assert_close(
            batch["attention_scores"][0][row, :, :n, :n], expected["attention_scores.0"][row, :, :n, :n]
        )


def test_any_batch_comes_back_as_the_teacher_said_it(tmp_path):
    teacher, planned = Teacher(), _plan()
    make(tmp_path, planned, teacher)
    assert sorted(teacher.asked) == list(range(60)) and len(planned.cuts) > 4
    cache = find(tmp_path, planned)
    assert cache is not None and error_of(tmp_path) == 0
    for seed in range(20):
        texts = np.random.default_rng(seed).integers(60, size=7).tolist()
        _check(cache, texts, int(LENGTHS[texts].max()) + seed % 2)
    assert sum(file.stat().st_size for file in tmp_path.glob("*.safetensors")) >= planned.bytes


def test_all_logits_at_once(tmp_path):
    make(tmp_path, _plan(), Teacher())
    torch.testing.assert_close(find(tmp_path, _plan()).logits(), said(range(60), 1)["logits"])
    make(tmp_path, _plan(most=3000), Teacher())
    assert find(tmp_path, _plan(most=3000)).logits() is None


def test_a_kill_costs_the_file_that_was_being_written(tmp_path):
    planned = _plan()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, planned, Teacher(fails_after=40))
    assert find(tmp_path, planned) is None
    (tmp_path / "00099.safetensors").write_bytes(b"of another plan")
    again = Teacher()
    make(tmp_path, planned, again)
    assert 20 <= len(again.asked) < 40
    _check(find(tmp_path, planned), list(range(60)), 8)
    assert not (tmp_path / "00099.safetensors").exists()


def test_a_whole_cache_is_not_asked_for_again(tmp_path):
    make(tmp_path, _plan(), Teacher())
    again, told = Teacher(), []
    make(tmp_path, _plan(), again, told.append)
    assert not again.asked and sum(told) == 60


def test_a_damaged_file_is_written_anew_and_the_others_stay(tmp_path):
    planned = _plan()
    make(tmp_path, planned, Teacher())
    file = tmp_path / "00001.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert find(tmp_path, planned) is None
    again = Teacher()
    make(tmp_path, planned, again)
    assert len(again.asked) == planned.cuts[2] - planned.cuts[1]
    _check(find(tmp_path, planned), list(range(60)), 8)


@pytest.mark.parametrize("other", [{"key": "another teacher"}, {"code": "int8"}, {"most": 3000}])
def test_a_cache_of_something_else_is_not_taken(tmp_path, other):
    make(tmp_path, _plan(), Teacher())
    planned = _plan(**other)
    assert find(tmp_path, planned) is None
    again = Teacher()
    make(tmp_path, planned, again)
    assert len(again.asked) == len(planned.order)
    assert isinstance(find(tmp_path, planned), TeacherCache) and find(tmp_path, _plan()) is None


def test_with_little_room_the_shortest_texts_are_kept(tmp_path):
    planned = _plan(most=3000)
    assert 0 < len(planned.order) < 60 and planned.bytes <= 3000 and not planned.whole
    left = np.setdiff1d(np.arange(60), planned.order)
    assert LENGTHS[planned.order].max() <= LENGTHS[left].min()
    assert planned.bytes + text_bytes(PARTS, "fp32", LENGTHS[left]).min() > 3000
    make(tmp_path, planned, Teacher())
    cache = find(tmp_path, planned)
    assert cache.has(planned.order[:3].tolist()) and not cache.has([planned.order[0], left[0]])
    _check(cache, planned.order.tolist(), 8)


def test_no_room_at_all_keeps_nothing(tmp_path):
    planned = _plan(most=1)
    make(tmp_path, planned, Teacher())
    assert not find(tmp_path, planned).has([0])


def test_the_error_is_told(tmp_path):
    make(tmp_path, _plan("int8"), Teacher())
    assert 1e-4 < error_of(tmp_path) < 1e-2


def test_what_is_still_to_be_asked_is_known_without_reading_files(tmp_path):
    """A stopped run leaves whole files, and another plan's are worth nothing."""
    planned = _plan()
    assert missing(tmp_path, planned).tolist() == planned.order.tolist()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, planned, Teacher(fails_after=40))
    left = missing(tmp_path, planned)
    assert 0 < len(left) < len(planned.order)
    again = Teacher()
    make(tmp_path, planned, again)
    assert again.asked == left.tolist()
    assert not len(missing(tmp_path, planned))
    cut = sorted(tmp_path.glob("*.safetensors"))[-1]
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-1])
    last = planned.order[planned.cuts[-2] :].tolist()
    assert missing(tmp_path, planned).tolist() == last
    cut.unlink()
    assert missing(tmp_path, planned).tolist() == last
    cut.write_bytes(whole)
    assert len(missing(tmp_path, _plan(key="other"))) == len(LENGTHS)


def test_an_index_that_is_damaged_leaves_all_to_be_asked(tmp_path):
    make(tmp_path, _plan(), Teacher())
    (tmp_path / "cache.json").write_text("[1]")
    assert len(missing(tmp_path, _plan())) == len(LENGTHS)


def test_the_share_that_is_kept_is_of_tokens():
    planned = _plan(most=1500)
    assert planned.share == pytest.approx(LENGTHS[planned.order].sum() / LENGTHS.sum())
    assert 0 < planned.share < len(planned.order) / len(LENGTHS)  # the shortest texts
    assert _plan().share == 1
