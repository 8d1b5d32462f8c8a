"""How many times as fast one file is as another of the same run, with an interval."""

from dataclasses import dataclass

import numpy as np

from benchmarks.measuring import LatencyRow

RESAMPLES = 1000


@dataclass(frozen=True)
class Speed:
    """A ratio of medians: above 1 is faster than what it is compared with.

    Attributes:
        ratio: of all samples.
        low, high: its 95 % bootstrap interval over rounds, in which both were measured.
    """

    ratio: float
    low: float
    high: float


def speed(first: LatencyRow, row: LatencyRow) -> Speed:
    """Compare two rows that were measured in turn, in the same rounds.

    Whole rounds are drawn, the same ones of both: what slowed a round down slowed both.
    """
    ratio = first.p50_ms / row.p50_ms
    theirs, ours = np.array(first.raw_ms), np.array(row.raw_ms)
    drawn = np.random.default_rng(0).integers(len(ours), size=(RESAMPLES, len(ours)))
    medians = [np.median(each[drawn].reshape(RESAMPLES, -1), axis=1) for each in (theirs, ours)]
    low, high = np.quantile(medians[0] / medians[1], (0.025, 0.975))
    return Speed(ratio, float(low), float(high))
