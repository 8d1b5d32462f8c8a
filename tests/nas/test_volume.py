import random

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from nas.volume import gained, hypervolume_of


def test_volumes_by_hand():
    assert hypervolume_of([], (1.0, 1.0)) == 0
    assert hypervolume_of([(0.25,)], (1.0,)) == 0.75
    assert hypervolume_of([(0.0, 0.5), (0.5, 0.0)], (1.0, 1.0)) == pytest.approx(0.75)
    assert hypervolume_of([(0.0, 0.5), (0.5, 0.0), (0.6, 0.6)], (1.0, 1.0)) == pytest.approx(0.75)
    assert hypervolume_of([(0.0, 0.0, 0.5), (0.5, 0.5, 0.0)], (1.0, 1.0, 1.0)) == pytest.approx(0.5 + 0.125)
    assert hypervolume_of([(0.5, 2.0), (1.0, 0.0)], (1.0, 1.0)) == 0, "not better than the reference in everything"


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_volumes_are_those_of_optunas_own_function(objectives):
    draw = random.Random(objectives)
    for count in (1, 2, 5, 12):
        points = [tuple(round(draw.random(), 1 + count % 3) for _ in range(objectives)) for _ in range(count)]
        worst = (0.9,) * objectives
        inside = [point for point in points if max(point) < 0.9]
        expected = compute_hypervolume(np.array(inside), np.array(worst)) if inside else 0
        assert hypervolume_of(points, worst) == pytest.approx(expected)
        new = tuple(draw.random() for _ in range(objectives))
        assert gained(new, points, worst) == pytest.approx(hypervolume_of([*points, new], worst) - expected, abs=1e-12)
        assert gained(points[0], points, worst) == pytest.approx(0, abs=1e-12)
