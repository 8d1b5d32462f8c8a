"""The hypervolume that a front dominates."""

from collections.abc import Sequence

Point = tuple[float, ...]


def hypervolume_of(points: Sequence[Point], worst: Point) -> float:
    """Return how much of the space up to a reference point is dominated by any of the points; all are to be small.

    Cut into slabs along the last objective, each as high as to the next point (While et al. 2006, "A faster algorithm
    for calculating hypervolume": hypervolume by slicing objectives).

    Args:
        points: of as many objectives as the reference.
        worst: points that are not better than it in everything count nothing.
    """
    inside = [point for point in points if all(own < limit for own, limit in zip(point, worst, strict=True))]
    return _sliced(sorted(set(inside), key=lambda point: point[-1]), worst)


def gained(point: Point, points: Sequence[Point], worst: Point) -> float:
    """Return how much hypervolume a point would add to that of others."""
    box = 1.0
    for own, limit in zip(point, worst, strict=True):
        if own >= limit:
            return 0.0
        box *= limit - own
    clipped = [tuple(map(max, other, point)) for other in points]
    return box - hypervolume_of(clipped, worst)


def _sliced(points: Sequence[Point], worst: Point) -> float:
    if not points:
        return 0.0
    if len(worst) == 1:
        return worst[0] - points[0][0]
    if len(worst) == 2:
        return _staircase(points, worst)
    total = 0.0
    for number, point in enumerate(points):
        until = points[number + 1][-1] if number + 1 < len(points) else worst[-1]
        if until > point[-1]:
            below = sorted({each[:-1] for each in points[: number + 1]}, key=lambda each: each[-1])
            total += (until - point[-1]) * _sliced(below, worst[:-1])
    return total


def _staircase(points: Sequence[Point], worst: Point) -> float:
    """Return the area, of points that are sorted by their second value."""
    total, best = 0.0, worst[0]
    for first, second in points:
        if first < best:
            total += (best - first) * (worst[1] - second)
            best = first
    return total
