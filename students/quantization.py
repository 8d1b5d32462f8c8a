"""Symmetric int8 quantisation of weights: the arithmetic, without a word on graphs or models."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FULL_RANGE = 127
FOUR_BITS = 7
"""The largest value of a symmetric range of 4 bits."""

REDUCED_RANGE = 63
"""The largest weight with which two products uint8 x int8 cannot overflow int16 (2 * 255 * 63 < 32768)."""


class Quantized(NamedTuple):
    """`values * scale` is the weight again; `scale` keeps the reduced axis, so it broadcasts."""

    values: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]


def quantize(weight: npt.NDArray[np.float32], axis: int, largest: int = FULL_RANGE) -> Quantized:
    """Quantise to int8 with zero point 0 and one scale per slice: max|slice| / largest.

    Args:
        weight: any float array.
        axis: the axis that shares a scale (0 for a matrix [in, out] per output channel, 1 for a table per
            row).
        largest: the integer that stands for the largest magnitude, at most 127.

    Returns:
        int8 values of the weight's shape, and float32 scales of that shape with `axis` reduced to 1.
    """
    if not 1 <= largest <= FULL_RANGE:
        raise ValueError(f"largest is {largest}; int8 has 1 to {FULL_RANGE}")
    scale = (np.abs(weight).max(axis=axis, keepdims=True) / largest).astype(np.float32)
    scale[scale == 0] = 1.0
    return Quantized(np.clip(np.rint(weight / scale), -largest, largest).astype(np.int8), scale)


def quantize_blocks(table: npt.NDArray[np.float32], block: int, largest: int) -> Quantized:
    """Quantise the rows of a table with a scale for every `block` numbers of a row: max|block| / largest.

    Args:
        table: [entries, width].
        block: numbers that share a scale; the last block of a row may be shorter.
        largest: the integer that stands for the largest magnitude, at most 127.

    Returns:
        int8 values [entries, width], and float32 scales [entries, ceil(width / block)].
    """
    entries, width = table.shape
    blocks = -(-width // block)
    padded = np.zeros((entries, blocks * block), np.float32)
    padded[:, :width] = table
    values, scale = quantize(padded.reshape(entries, blocks, block), axis=2, largest=largest)
    return Quantized(values.reshape(entries, -1)[:, :width], scale[:, :, 0])
