import math

import pytest

from distill.seeds import summary


def test_mean_and_spread_by_hand():
    result = summary([0.8, 0.9], [])
    assert result["student"] == {
        "mean": pytest.approx(0.85),
        "std": pytest.approx(math.sqrt(0.005)),
        "values": [0.8, 0.9],
    }
    assert result["control"] is None
    assert result["difference"] is None


def test_the_difference_is_paired_by_seed():
    """Differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t = 2 sqrt(3) with 2 degrees of freedom."""
    result = summary([11.0, 22.0, 33.0], [10.0, 20.0, 30.0])["difference"]
    assert result["mean"] == pytest.approx(2)
    assert result["high"] - result["mean"] == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert result["p_value"] == pytest.approx(0.0741799, rel=1e-5)


@pytest.mark.parametrize(("student", "control"), [([0.9], [0.8]), ([0.9, 0.8], [0.8, 0.7])])
def test_no_interval_without_spread(student, control):
    result = summary(student, control)["difference"]
    assert result["mean"] == pytest.approx(0.1)
    assert result["low"] is result["high"] is result["p_value"] is None
