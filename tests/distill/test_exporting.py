from pathlib import Path

import numpy as np
import pytest

from distill.evaluation import Difference
from distill.exporting import Exported, origin


def _exported(drop, high):
    parity = {"max_logit_difference": 0.25, "mean_logit_difference": 0.1, "agreement": 0.9}
    change = Difference(-drop, -drop - 0.01, high)
    return Exported("student int8", Path("m.onnx"), 1_500_000, np.zeros((1, 2)), parity, drop, change, limit=0.02)


@pytest.mark.parametrize(
    ("drop", "high", "refused", "doubtful"),
    [(0.01, -0.005, False, False), (0.03, -0.01, True, False), (0.03, 0.01, False, True), (-0.01, 0.02, False, False)],
)
def test_only_a_sure_loss_over_the_limit_is_refused(drop, high, refused, doubtful):
    file = _exported(drop, high)
    assert (file.refused, file.doubtful) == (refused, doubtful)


def test_says_what_happened():
    assert "refused and removed: metric -0.0300" in _exported(0.03, -0.01).describe()
    assert "too few to tell" in _exported(0.03, 0.01).describe()
    assert (
        _exported(0.0, 0.01).describe() == "student int8: m.onnx, 1.5 MB, metric +0.0000, largest logit difference 0.25"
    )


def test_files_name_their_teacher_and_not_where_it_lies(tmp_path):
    (tmp_path / "my-teacher").mkdir()
    found = origin("logits", (str(tmp_path / "my-teacher"), "minilm", "someone/on-the-hub"), "abc")
    assert found == {"recipe": "logits", "teacher": "my-teacher + minilm + someone/on-the-hub", "data": "abc"}
