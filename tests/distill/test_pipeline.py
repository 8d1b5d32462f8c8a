from types import SimpleNamespace

import pytest
from datasets import Dataset

from distill import pipeline, starting
from distill.data.encoding import PaddingCollator
from students.initialization import _statistics

ROWS, LENGTH = 1000, 100


@pytest.fixture
def sorted_rows():
    """Return long rows in the order of their class, which their first token tells."""
    ids = [[5 + (number >= ROWS // 2)] + [9] * (LENGTH - 1) for number in range(ROWS)]
    return Dataset.from_dict({"input_ids": ids, "labels": [0] * ROWS, "length": [LENGTH] * ROWS})


def test_a_start_is_measured_on_rows_from_everywhere(sorted_rows, bert, monkeypatch):
    seen = []
    monkeypatch.setattr(starting, "initialise", lambda student, teacher, batches, method: seen.extend(batches))
    run = SimpleNamespace(
        given=None,
        config=SimpleNamespace(seed=0, initialisation="cut"),
        teacher=SimpleNamespace(model=bert()),
        student=bert(layers=2),
        rows=SimpleNamespace(found=sorted_rows),
        collator=PaddingCollator(0),
    )
    pipeline.start_student(run)
    texts = _statistics(seen, "cut")
    classes = texts.ids[texts.first]
    assert len(classes) < ROWS / 2, "not all rows are needed"
    assert 0.35 < (classes == 5).float().mean() < 0.65
