from dataclasses import replace
from pathlib import Path

import pytest

from nas.finishing import MARGIN, Finished, over, ranked, warnings
from nas.footprint import Footprint
from nas.goals import Goals

GOALS = Goals(max_latency_ms=2.0, max_size_mb=15.0)
GOOD = Finished("4x312", Path("a"), "int8", 0.80, 0.80, 0.9, Footprint(1.0, 9.0), 0.7)
BY_HAND = replace(GOOD, student="tiny", quality=0.85, proxy=None)


def _names(*finished, goals=GOALS):
    return [each.student for each in ranked(finished, goals)]


def test_the_hand_made_student_comes_first_where_it_is_better():
    assert _names(GOOD, BY_HAND) == ["tiny", "4x312"]
    assert _names(replace(GOOD, quality=0.86), BY_HAND) == ["4x312", "tiny"]


def test_what_is_over_a_limit_comes_last_however_good():
    big = replace(GOOD, student="big", quality=0.9, footprint=Footprint(1.0, 28.7), form="fp32")
    assert _names(big, GOOD) == ["4x312", "big"]
    assert warnings(ranked([big, GOOD], GOALS), GOALS) == []
    (said,) = warnings([big], GOALS)
    assert "big is over the limit" in said and "28.70 MB, and 15 is the limit" in said and "fp32 file counts" in said


def test_measuring_again_breaks_no_limit():
    assert over(replace(GOOD, footprint=Footprint(2.0 * (1 + 0.9 * MARGIN), 15.01)), GOALS) == []
    assert len(over(replace(GOOD, footprint=Footprint(2.0 * (1 + 2 * MARGIN), 15.5)), GOALS)) == 2


def test_with_a_limit_on_retention_the_cheapest_that_keeps_it_is_first():
    cheap = replace(GOOD, student="cheap", quality=0.75, footprint=Footprint(0.5, 5.0))
    bad = replace(GOOD, student="bad", quality=0.5, footprint=Footprint(0.1, 1.0))
    assert _names(GOOD, bad, cheap, goals=Goals(min_retention=0.8)) == ["cheap", "4x312", "bad"]


@pytest.mark.parametrize("finished", [[], [GOOD]])
def test_nothing_is_said_where_all_is_well(finished):
    assert warnings(finished, GOALS) == []
