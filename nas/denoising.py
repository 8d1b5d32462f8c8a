"""What a metric measured on few rows would be on many, told with the help of the distance from the teacher.

A metric counts the rows whose answer has changed sides; the distance of the answers from the teacher's counts every row
by as much as it is off, so it is the less noisy of two measurements of one thing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST = 6
"""Students, before their metrics are compared with their distances."""

_LEAST_DISTANCE = 1e-9


def denoised(qualities: Sequence[float], distances: Sequence[float], noise: float) -> NDArray[np.float64]:
    """Return metrics drawn towards what students of their distances have.

    That is told by least squares on the logarithm of the distance. Metric and line are weighed by the inverse of their
    variances, of the line that which the metrics' noise does not explain. Where a distance says nothing (few students,
    or a metric that does not fall with it) the metrics are returned as they are.

    Args:
        qualities: metrics, higher is better.
        distances: of the same students' answers from the teacher's, 0 where they are the same.
        noise: the standard error of a metric.
    """
    measured = np.asarray(qualities, dtype=np.float64)
    logarithms = np.log(np.maximum(np.asarray(distances, dtype=np.float64), _LEAST_DISTANCE))
    if len(measured) < FEWEST or noise <= 0 or not np.isfinite(logarithms).all() or np.ptp(logarithms) == 0:
        return measured
    slope, start = np.polyfit(logarithms, measured, 1)
    if slope >= 0:
        return measured
    line = start + slope * logarithms
    spread = float(np.square(measured - line).sum()) / (len(measured) - 2)
    misfit = max(spread - noise**2, 0.0)
    weight = misfit / (misfit + noise**2)
    drawn: NDArray[np.float64] = line + weight * (measured - line)
    return drawn
