"""Blocks of few bits: by hand, beside a search of every scale, and packed."""

import numpy as np
import pytest

from students.block_quantization import dequantized, in_blocks, packed, quantize_matrix


def _error(weight, blocks):
    return float(((dequantized(blocks, len(weight)) - weight) ** 2).sum())


def _nearest(weight, bits, block):
    """Round to nearest with the whole range of each block, written without the package."""
    result = np.empty_like(weight)
    for column in range(weight.shape[1]):
        for start in range(0, len(weight), block):
            part = weight[start : start + block, column]
            low, high = min(part.min(), 0), max(part.max(), 0)
            scale = (high - low) / (2**bits - 1) or 1.0
            zero = round(-low / scale)
            codes = np.clip(np.rint(part / scale) + zero, 0, 2**bits - 1)
            result[start : start + block, column] = (codes - zero) * scale
    return result


def test_a_block_on_the_grid_comes_back_exactly() -> None:
    weight = np.array([[-0.5, 0.0], [0.25, 0.0], [1.0, 0.0], [3.25, 0.0]], np.float32)
    blocks = quantize_matrix(weight, bits=4, block=16)
    assert blocks.codes[0, 0, :4].tolist() == [0, 3, 6, 15]
    assert (blocks.scale[0, 0], blocks.zero_points[0, 0]) == (0.25, 2)
    np.testing.assert_array_equal(dequantized(blocks, 4), weight)


@pytest.mark.parametrize(("bits", "gain"), [(4, 0.97), (8, 1.0)])
def test_the_search_beats_round_to_nearest(bits: int, gain: float) -> None:
    weight = np.random.default_rng(0).normal(size=(70, 9)).astype(np.float32)
    nearest = float(((_nearest(weight, bits, 32) - weight) ** 2).sum())
    assert 0 < _error(weight, quantize_matrix(weight, bits)) < gain * nearest


def test_a_zero_point_of_its_own_is_nearer() -> None:
    weight = np.random.default_rng(1).normal(0.3, size=(64, 20)).astype(np.float32)
    symmetric = quantize_matrix(weight, asymmetric=False)
    assert set(symmetric.zero_points.ravel().tolist()) == {8}
    assert _error(weight, quantize_matrix(weight)) < 0.8 * _error(weight, symmetric)


def test_an_outlier_is_not_clipped_where_that_would_cost_more() -> None:
    weight = np.full((32, 1), 0.01, np.float32)
    weight[5] = 4.0
    np.testing.assert_allclose(dequantized(quantize_matrix(weight), 32)[5], 4.0, rtol=0.05)


def test_the_last_block_is_padded() -> None:
    weight = np.arange(1, 36, dtype=np.float32)[:, None]
    padded = in_blocks(weight, 32)
    assert padded.shape == (1, 2, 32)
    assert padded[0, 1].tolist() == [33, 34, 35] + [0] * 29
    assert dequantized(quantize_matrix(weight), 35).shape == weight.shape


def test_packing_by_hand() -> None:
    codes = np.array([[1, 2, 15]], np.uint8)
    assert packed(codes, 4).tolist() == [[0x21, 0x0F]]
    assert packed(codes, 8) is codes
    with pytest.raises(ValueError, match="3"):
        packed(codes, 3)


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_that_there_are_not_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=str(bits)):
        quantize_matrix(np.ones((2, 2), np.float32), bits)
