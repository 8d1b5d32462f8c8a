import pytest
import torch
from datasets import Dataset

from distill import starting
from distill.data.encoding import PaddingCollator
from distill.pipeline import STATISTICS_ROWS
from students.initialization import Initialisation, _statistics

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
    starting.start_from_teacher(*models, sorted_rows, PaddingCollator(0), count=STATISTICS_ROWS, seed=0, method="cut")
    texts = _statistics(seen, "cut")
    classes = texts.ids[texts.first]
    assert len(classes) < ROWS / 2, "not all rows are needed"
    assert 0.35 < (classes == 5).float().mean() < 0.65


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
