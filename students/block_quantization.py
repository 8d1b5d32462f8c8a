"""Weights of few bits with a scale for every block of inputs, chosen for the least squared error."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

BLOCK = 32
SHRINK = np.linspace(1.0, 0.7, 9, dtype=np.float32)
"""Shares of a block's range that are tried as the range of its integers: what is beyond is clipped."""


class Blocks(NamedTuple):
    """`(codes - zero_points) * scale` is the weight again, transposed and padded.

    Attributes:
        codes: [out, blocks, block], from 0 to 2^bits - 1.
        scale: [out, blocks].
        zero_points: [out, blocks].
    """

    codes: Codes
    scale: Floats
    zero_points: Codes


def quantize_matrix(weight: Floats, bits: int = 4, block: int = BLOCK, *, asymmetric: bool = True) -> Blocks:
    """Quantise a matrix [in, out] with a scale for every `block` inputs of an output.

    Round-to-nearest with the range of a block wastes steps on its largest number. Several smaller ranges are tried
    here, and the one with the least squared error is kept; nothing of that costs time when the file runs.

    Args:
        weight: [in, out].
        bits: from 2 to 8.
        block: inputs that share a scale, a power of two; the last block is padded with zeros.
        asymmetric: give each block a zero point of its own; otherwise all have 2^(bits - 1).
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits is {bits}; a block has 2 to 8")
    blocks = in_blocks(weight, block)
    best = _tried(blocks, bits, SHRINK[0], asymmetric=asymmetric)
    least = _error(blocks, best)
    for share in SHRINK[1:]:
        other = _tried(blocks, bits, share, asymmetric=asymmetric)
        error = _error(blocks, other)
        better = error < least
        least = np.where(better, error, least)
        best = Blocks(*(_chosen(better, new, old) for new, old in zip(other, best, strict=True)))
    return best


def in_blocks(weight: Floats, block: int) -> Floats:
    """Return a matrix [in, out] as [out, blocks, block], padded with zeros."""
    inputs, outputs = weight.shape
    count = -(-inputs // block)
    padded = np.zeros((outputs, count * block), np.float32)
    padded[:, :inputs] = weight.T
    return padded.reshape(outputs, count, block)


def dequantized(blocks: Blocks, inputs: int) -> Floats:
    """Return the matrix [in, out] that blocks stand for."""
    whole = (blocks.codes.astype(np.float32) - blocks.zero_points[..., None]) * blocks.scale[..., None]
    return np.ascontiguousarray(whole.reshape(len(whole), -1)[:, :inputs].T)


def packed(codes: Codes, bits: int) -> Codes:
    """Pack the last axis into bytes, the first number into the lowest bits; 4 and 8 bits.

    An odd count is filled up with zeros.
    """
    if bits == 8:
        return codes
    if bits != 4:
        raise ValueError(f"bits is {bits}; 4 and 8 are packed")
    filled = np.concatenate([codes, np.zeros((*codes.shape[:-1], codes.shape[-1] % 2), np.uint8)], axis=-1)
    return np.asarray(filled[..., 0::2] | (filled[..., 1::2] << 4))


def _tried(blocks: Floats, bits: int, share: np.float32, *, asymmetric: bool) -> Blocks:
    """Quantise with a share of each block's range, then take the scale that fits the integers best."""
    most = 2**bits - 1
    if asymmetric:
        low = share * np.minimum(blocks.min(-1), 0)
        scale = _positive((share * np.maximum(blocks.max(-1), 0) - low) / most)
        zero = np.clip(np.rint(-low / scale), 0, most)
    else:
        scale = _positive(share * np.abs(blocks).max(-1) / (most // 2))
        zero = np.full_like(scale, 2 ** (bits - 1))
    codes = np.clip(np.rint(blocks / scale[..., None]) + zero[..., None], 0, most)
    steps = codes - zero[..., None]
    power = (steps * steps).sum(-1)
    fitted = np.where(power > 0, (steps * blocks).sum(-1) / np.maximum(power, 1), scale)
    return Blocks(codes.astype(np.uint8), fitted.astype(np.float32), zero.astype(np.uint8))


def _positive(scale: Floats) -> Floats:
    return np.where(scale > 0, scale, np.float32(1))


def _error(blocks: Floats, quantized: Blocks) -> Floats:
    steps = quantized.codes.astype(np.float32) - quantized.zero_points[..., None]
    difference = blocks - steps * quantized.scale[..., None]
    return np.asarray((difference * difference).sum(-1))


def _chosen(better: npt.NDArray[np.bool_], new: Any, old: Any) -> Any:  # noqa: ANN401  (an array of either kind)
    return np.where(better.reshape(better.shape + (1,) * (new.ndim - better.ndim)), new, old)
