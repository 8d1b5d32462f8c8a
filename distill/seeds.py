"""Mean, spread and paired comparison over seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats


def summary(student: Sequence[float], control: Sequence[float]) -> dict[str, Any]:
    """Summarise the metric over seeds; the difference to the control is paired by seed.

    Args:
        student: a value per seed.
        control: a value per seed in the same order, or nothing.
    """
    return {
        "student": _spread(student),
        "control": _spread(control) if control else None,
        "difference": _paired(np.subtract(student, control)) if control else None,
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": deviation, "values": [float(value) for value in values]}


def _paired(differences: np.ndarray) -> dict[str, Any]:
    """Student's t over the differences; with fewer than two seeds, or no spread, there is no interval."""
    result: dict[str, Any] = {"mean": float(differences.mean()), "low": None, "high": None, "p_value": None}
    if len(differences) < 2 or np.allclose(differences, differences[0], rtol=1e-9):
        return result
    test = stats.ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(0.95)
    return result | {"low": float(interval.low), "high": float(interval.high), "p_value": float(test.pvalue)}
