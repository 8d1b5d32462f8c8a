"""Rows of the comparison."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.throughput.driver import Visit
from benchmarks.throughput.engines import OURS, PEAK, Engine
from benchmarks.throughput.task import Work

Row = dict[str, str | int]
PRODUCT = 2 * 2048**3
"""Operations of one product of the peak's."""

RESAMPLES = 2000


def rows_of(engines: Sequence[Engine], visits: Mapping[str, Sequence[Visit]], work: Work) -> list[Row]:
    """Return a row an engine: texts a second, how many times as fast ours is (median of the rounds), and efficiency.

    Args:
        engines: that took part.
        visits: by name, a round each; those of `PEAK` among them.
        work: what a text takes.
    """
    peak = statistics.median(visit.speed * PRODUCT for visit in visits[PEAK.name])
    ours = _speeds(visits.get(OURS.name, visits[engines[0].name]))
    rows: list[Row] = []
    for engine in engines:
        speeds = _speeds(visits[engine.name])
        low, high = _interval(ours / speeds)
        needed = work.student + work.teacher * engine.asks_teacher
        rows.append(
            {
                "engine": engine.name,
                "texts a second": f"{np.median(speeds):.0f}",
                "ours is x times as fast": f"{np.median(ours / speeds):.2f}",
                "interval": f"{low:.2f} to {high:.2f}",
                "share of the peak %": f"{100 * np.median(speeds) * needed / peak:.0f}",
                "padding %": f"{100 * work.padding[engine.padding]:.1f}",
                "MFLOP a text": f"{needed / 1e6:.0f}",
                "peak GFLOP/s": f"{peak / 1e9:.0f}",
                "rounds": len(speeds),
            }
        )
    return rows


def _speeds(visits: Sequence[Visit]) -> NDArray[np.floating[Any]]:
    return np.array([visit.speed for visit in visits])


def _interval(ratios: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return the bounds of the ratios' median, rounds resampled."""
    drawn = np.random.default_rng(0).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[drawn], axis=1), (0.025, 0.975))
    return float(low), float(high)
