from dataclasses import replace

import pytest

from benchmarks.proof import Proven, limits_of
from students.exporting.golden import Checked, Golden

GOLDEN = Golden("classification", [], ["a"], [{}], [{}])


def _made(**found):
    return replace(GOLDEN, made={"a.onnx": found})


def _failed(golden, agreement, difference=0.0):
    return Proven(1, "", None, Checked(8, 0.0, difference, agreement), limits_of(golden, "a.onnx"), None).failed


def test_a_file_that_nobody_checked_before_has_the_usual_limits():
    for golden in (None, GOLDEN, replace(GOLDEN, made={"other.onnx": {"agreement": 0.5, "relative_difference": 0.5}})):
        assert not _failed(golden, 0.9) and _failed(golden, 0.89)
        assert not _failed(golden, None, 0.1) and _failed(golden, None, 0.11)


@pytest.mark.parametrize(("made", "good", "bad"), [(1.0, 0.9, 0.88), (0.875, 0.78, 0.76), (0.95, 0.86, 0.84)])
def test_a_device_is_asked_for_no_more_than_the_file_kept_where_it_was_made(made, good, bad):
    golden = _made(agreement=made, relative_difference=0.0)
    assert not _failed(golden, good) and _failed(golden, bad)


def test_the_same_of_a_regressions_differences():
    golden = _made(agreement=None, relative_difference=0.3)
    assert not _failed(golden, None, 0.39) and _failed(golden, None, 0.41)


def test_no_device_is_allowed_whatever_a_file_was_off_by_where_it_was_made():
    golden = _made(agreement=None, relative_difference=1.5)
    assert not _failed(golden, None, 0.49) and _failed(golden, None, 0.51)
