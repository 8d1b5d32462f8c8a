import pytest

from nas.footprint import Footprint
from nas.goals import Goals
from pocketbert.errors import UserError
from pocketbert.validation import validated


def test_a_violation_is_the_share_above_the_limit():
    goals = Goals(max_latency_ms=10, max_size_mb=8, max_memory_mb=100)
    assert goals.violations(Footprint(12.0, 4.0)) == pytest.approx({"latency": 0.2, "size": -0.5})
    assert goals.needs_memory


def test_retention_is_counted_from_the_teacher():
    assert Goals(min_retention=0.9).lost(0.4, 0.5) == pytest.approx(0.1)
    assert Goals().lost(0.4, 0.5) is None


def test_values_come_in_the_objectives_order_and_quality_is_to_be_large():
    goals = Goals(objectives=("size", "quality"))
    assert [direction.name for direction in goals.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert goals.values(0.8, Footprint(1.0, 5.0)) == (5.0, 0.8)
    assert goals.as_costs((5.0, 0.8)) == (5.0, -0.8)


@pytest.mark.parametrize(
    "document", [{"objectives": ("speed",)}, {"max_latency_ms": 0}, {"min_retention": 3}, {"objectives": ()}]
)
def test_what_is_no_goal_is_refused(document):
    with pytest.raises(UserError):
        validated(Goals, document)
