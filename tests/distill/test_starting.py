import pytest
import torch
from datasets import Dataset

from distill import starting
from distill.data.encoding import PaddingCollator
from distill.pipeline import STATISTICS_ROWS, STATISTICS_TOKENS
from students.forward import texts_of
from students.initialization import Initialisation

ROWS, LENGTH = 1000, 100


@pytest.fixture
def sorted_rows():
    """Return long rows in the order of their class, which their first token tells."""
    ids = [[5 + (number >= ROWS // 2)] + [9] * (LENGTH - 1) for number in range(ROWS)]
    return Dataset.from_dict({"input_ids": ids, "labels": [0] * ROWS, "length": [LENGTH] * ROWS})


def test_a_start_is_measured_on_rows_from_everywhere(sorted_rows, bert, monkeypatch):
    seen = []
    monkeypatch.setattr(starting, "initialise", lambda student, teacher, batches, method: seen.extend(batches))
    models = bert(layers=2), bert()
    limits = {"count": STATISTICS_ROWS, "tokens": STATISTICS_TOKENS}
    starting.start_from_teacher(*models, sorted_rows, PaddingCollator(0), **limits, seed=0, method="cut")
    texts = texts_of(seen)
    classes = texts.ids[texts.first]
    assert STATISTICS_TOKENS <= len(texts.ids) < STATISTICS_TOKENS + starting.BATCH * LENGTH
    assert len(classes) < ROWS / 2, "not all rows are needed"
    assert 0.35 < (classes == 5).float().mean() < 0.65


def test_short_rows_are_counted_in_tokens_too(bert, monkeypatch):
    rows = Dataset.from_dict({"input_ids": [[5, 6, 7]] * ROWS, "length": [3] * ROWS})
    seen = []
    monkeypatch.setattr(starting, "initialise", lambda student, teacher, batches, method: seen.extend(batches))
    for tokens, count, expected in ((600, ROWS, 4 * starting.BATCH), (600, 100, 100), (10**6, ROWS, ROWS)):
        seen.clear()
        models, limits = (bert(layers=2), bert()), {"count": count, "tokens": tokens}
        starting.start_from_teacher(*models, rows, PaddingCollator(0), **limits, seed=0, method="cut")
        assert len(texts_of(seen).ids) == 3 * expected


def test_a_start_is_found_again_by_its_key(bert, tmp_path):
    made = []

    def make():
        made.append(1)
        return Initialisation(method="cut", description="cut", layers=(0, 1))

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "start.json").write_text("[]")  # no start at all
    first, second = bert(layers=2), bert(seed=1, layers=2)
    assert starting.found_or_made(first, tmp_path / "a", "key", make).layers == (0, 1)
    assert starting.found_or_made(first, tmp_path / "a", "key", make).description == "cut"
    found = starting.found_or_made(second, tmp_path / "b", "key", make)
    assert found.description == f"cut (reused from {tmp_path / 'a'})" and len(made) == 1
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    starting.found_or_made(second, tmp_path / "b", "another key", make)
    assert len(made) == 2
