import numpy as np
import pytest

from students.quantization import REDUCED_RANGE, quantize


def dequantize(quantized):
    return (quantized.values * quantized.scale).astype(np.float32)


def test_by_hand_per_column() -> None:
    values, scale = quantize(np.array([[1.0, -0.5], [-2.0, 0.25]], np.float32), axis=0)
    np.testing.assert_array_equal(values, [[64, -127], [-127, 64]])
    np.testing.assert_allclose(scale, [[2 / 127, 0.5 / 127]])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("largest", [127, REDUCED_RANGE])
def test_error_is_at_most_half_a_step_and_the_extreme_is_exact(axis: int, largest: int) -> None:
    weight = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    quantized = quantize(weight, axis, largest)
    assert np.abs(quantized.values).max() == largest
    error = np.abs(dequantize(quantized) - weight)
    assert (error <= quantized.scale * 0.5001).all()
    peak = np.abs(weight) == np.abs(weight).max(axis=axis, keepdims=True)
    np.testing.assert_allclose(dequantize(quantized)[peak], weight[peak], rtol=1e-6)


def test_zeros_stay_zeros() -> None:
    weight = np.zeros((3, 2), np.float32)
    np.testing.assert_array_equal(dequantize(quantize(weight, axis=0)), weight)


def test_two_products_stay_within_int16() -> None:
    assert 2 * 255 * REDUCED_RANGE < 2**15 <= 2 * 255 * (REDUCED_RANGE + 2)


@pytest.mark.parametrize("largest", [0, 128])
def test_a_range_int8_does_not_have_is_refused(largest: int) -> None:
    with pytest.raises(ValueError, match=str(largest)):
        quantize(np.ones((1, 1), np.float32), 0, largest)
