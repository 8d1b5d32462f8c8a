"""Fixed ranges by hand."""

import numpy as np
import pytest

from students.calibration import Activation, quantize_columns, trained


def test_an_asymmetric_range_by_hand() -> None:
    grid = Activation(-0.5, 2.05)
    assert (float(grid.step), int(grid.zero_point)) == (pytest.approx(0.01), 50)
    x = np.array([-0.5, -0.104, 0.0, 0.017, 2.05, 9.0, -9.0], np.float32)
    np.testing.assert_allclose(grid.rounded(x), [-0.5, -0.1, 0.0, 0.02, 2.05, 2.05, -0.5], atol=1e-6)


def test_the_range_of_a_training_is_symmetric_int8() -> None:
    calibration = trained({"layer": 1.27})
    grid = calibration.inputs["layer"]
    assert grid is not None
    assert (float(grid.step), int(grid.zero_point)) == (pytest.approx(0.01), 128)
    np.testing.assert_allclose(grid.rounded(np.array([1.27, -1.27, 0.004, 5], np.float32)), [1.27, -1.27, 0, 1.27])
    assert calibration.largest_weight == 127


def test_factors_divide() -> None:
    grid = Activation(0.0, 2.55, np.array([1.0, 10.0], np.float32))
    np.testing.assert_allclose(grid.rounded(np.array([[1.0, 20.0]], np.float32)), [[1.0, 2.0]], atol=1e-6)


def test_a_range_of_nothing_does_not_divide_by_it() -> None:
    assert Activation(0.0, 0.0).rounded(np.zeros(2, np.float32)).tolist() == [0, 0]


def test_columns_share_a_scale_if_they_are_to() -> None:
    weight = np.array([[1.27, 0.1], [-0.5, 0.2]], np.float32)
    values, scale = quantize_columns(weight, 127, per_tensor=True)
    np.testing.assert_allclose(scale, [[0.01, 0.01]], rtol=1e-6)
    assert values.tolist() == [[127, 10], [-50, 20]]
    np.testing.assert_allclose(quantize_columns(weight, 127).scale, [[0.01, 0.2 / 127]], rtol=1e-6)
