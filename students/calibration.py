"""Fixed ranges of what a model's layers read: the arithmetic of static int8, without a word on graphs or models."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from students.quantization import FULL_RANGE, REDUCED_RANGE, Quantized, quantize

Floats = npt.NDArray[np.float32]
STEPS = 255
"""Of an unsigned byte."""

MIDDLE = 128


@dataclass(frozen=True)
class Activation:
    """How a layer's input becomes unsigned bytes: `clip(round(x / factors / step) + zero_point)`.

    Attributes:
        low: what the byte 0 stands for, at most 0.
        high: what the byte 255 stands for. Where it is -low, the grid is that of symmetric int8: 127 steps each way.
        factors: [in], by which the inputs are divided, and the weights' rows multiplied (SmoothQuant, Xiao et al.
            2022, arXiv:2211.10438); None: 1.
    """

    low: float
    high: float
    factors: Floats | None = None

    @property
    def step(self) -> np.float32:
        """What one step of the byte stands for."""
        if self.low == -self.high:
            return np.float32(self.high / FULL_RANGE or 1)
        return np.float32((self.high - self.low) / STEPS or 1)

    @property
    def zero_point(self) -> np.uint8:
        """The byte for 0."""
        return np.uint8(MIDDLE if self.low == -self.high else np.clip(np.rint(-self.low / self.step), 0, STEPS))

    def rounded(self, x: Floats) -> Floats:
        """Return inputs [..., in] as they come back from the bytes, still divided by the factors."""
        if self.factors is not None:
            x = x / self.factors
        steps = np.clip(np.rint(x / self.step) + np.float32(self.zero_point), 0, STEPS)
        return np.asarray((steps - np.float32(self.zero_point)) * self.step)


@dataclass(frozen=True)
class Calibration:
    """Of a whole model.

    Attributes:
        inputs: by the layer's name in the model; None: quantised as it runs.
        largest_weight: the integer of the largest weight of a channel; see `students.quantization`.
        per_tensor: one scale a matrix.
        trained: the ranges are of a quantisation-aware training, and so of the model as it was trained.
        shifts: [out] by the layer's name, added to its bias: what rounding takes from its outputs on average.
    """

    inputs: Mapping[str, Activation | None]
    largest_weight: int = REDUCED_RANGE
    per_tensor: bool = False
    trained: bool = False
    shifts: Mapping[str, Floats] = field(default_factory=dict)


def trained(ranges: Mapping[str, float], largest_weight: int = FULL_RANGE, *, per_tensor: bool = False) -> Calibration:
    """Return the calibration that a quantisation-aware training learnt; see `students.fake_quantization`."""
    inputs = {name: Activation(-most, most) for name, most in ranges.items()}
    return Calibration(inputs, largest_weight, per_tensor, trained=True)


def quantize_columns(weight: Floats, largest: int, *, per_tensor: bool = False) -> Quantized:
    """Quantise a matrix [in, out] with a scale an output, [1, out], which is the same for all of them if per tensor."""
    if not per_tensor:
        return quantize(weight, axis=0, largest=largest)
    values, scale = quantize(weight.reshape(-1), axis=0, largest=largest)
    return Quantized(values.reshape(weight.shape), np.full((1, weight.shape[1]), scale[0], np.float32))
