"""Chooses the range of each layer's input from what the layers read."""

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector
from transformers import PreTrainedModel

from pocketbert.errors import unknown
from students.calibration import Activation, Calibration, quantize_columns
from students.exporting.calibration import Observed, observe
from students.exporting.precision import FloatArray, weight_and_bias
from students.exporting.running import Encoding
from students.quantization import REDUCED_RANGE
from students.quantized_parts import encoder_linears

PERCENTILE = 99.99
STRENGTHS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the difference between channels that move from the inputs into the weights, of which the best is kept."""

WORSE = 1.5
"""Times as far off as with ranges taken as it runs: a layer that static ranges cost more stays dynamic."""

Method = Callable[[Observed, FloatArray], Activation]


def calibrate(
    model: PreTrainedModel,
    encodings: Sequence[Encoding],
    method: str = "smooth",
    *,
    worse: float = WORSE,
    shift: bool = True,
    largest: int = REDUCED_RANGE,
) -> Calibration:
    """Return fixed ranges for the encoder's layers.

    Args:
        model: as it is written (`students.exporting.direct.as_written`).
        encodings: at least 32 texts like those that the model will read.
        method: of `METHODS`.
        worse: a layer stays dynamic where its products are more than so many times as far off as with dynamic ranges.
        shift: correct biases by what rounding takes from the outputs on average.
        largest: the integer of the largest weight of a channel.

    Raises:
        UserError: no such method, or too few texts.
    """
    if method not in METHODS:
        raise unknown("calibration method", method, METHODS)
    linears, inputs, shifts = encoder_linears(model), dict[str, Activation | None](), dict[str, FloatArray]()
    for seen in observe(model, encodings):
        weight = weight_and_bias(*(linears[name] for name in seen.names))[0]
        chosen = METHODS[method](seen, weight)
        fits = product_error(seen.sample, weight, chosen, largest) <= worse * dynamic_error(seen, weight, largest)
        inputs.update(dict.fromkeys(seen.names, chosen if fits else None))
        if shift and fits:
            shifts.update(
                _shifts(seen, {name: weight_and_bias(linears[name])[0] for name in seen.names}, chosen, largest)
            )
    return Calibration(inputs, largest, shifts=shifts)


def product_error(x: FloatArray, weight: FloatArray, activation: Activation, largest: int) -> float:
    """Return how far rounded inputs [tokens, in] times rounded weights [in, out] are off, as a share of the product."""
    return _share(x @ weight, activation.rounded(x) @ _rounded(weight, activation, largest))


def dynamic_error(seen: Observed, weight: FloatArray, largest: int) -> float:
    """Return the same with a range for each text."""
    rounded = [Activation(min(0.0, float(x.min())), max(0.0, float(x.max()))).rounded(x) for x in seen.kept]
    return _share(seen.sample @ weight, np.concatenate(rounded) @ _rounded(weight, None, largest))


def _rounded(weight: FloatArray, activation: Activation | None, largest: int) -> FloatArray:
    if activation is not None and activation.factors is not None:
        weight = weight * activation.factors[:, None]
    values, scale = quantize_columns(weight, largest)
    return np.asarray(values * scale)


def _share(expected: FloatArray, got: FloatArray) -> float:
    return float(np.linalg.norm(got - expected) / max(float(np.linalg.norm(expected)), 1e-12))


def _shifts(
    seen: Observed, weights: Mapping[str, FloatArray], activation: Activation, largest: int
) -> dict[str, FloatArray]:
    mean, rounded = seen.sample.mean(0), activation.rounded(seen.sample).mean(0)
    return {
        name: np.asarray(mean @ weight - rounded @ _rounded(weight, activation, largest), np.float32)
        for name, weight in weights.items()
    }


def _min_max(seen: Observed, weight: FloatArray) -> Activation:
    return Activation(seen.low, seen.high)


def _percentile(seen: Observed, weight: FloatArray) -> Activation:
    low, high = np.percentile(seen.sample, (100 - PERCENTILE, PERCENTILE))
    return Activation(min(0.0, float(low)), max(0.0, float(high)))


def _entropy(seen: Observed, weight: FloatArray) -> Activation:
    """Take onnxruntime's threshold of the least Kullback-Leibler divergence."""
    collector = HistogramCollector("entropy", False, 512, 128, None, None)
    with redirect_stdout(io.StringIO()):
        collector.collect({"x": seen.sample})
        low, high = collector.compute_collection_result()["x"][:2]
    return Activation(min(0.0, float(low)), max(0.0, float(high)))


def _smooth(seen: Observed, weight: FloatArray) -> Activation:
    """Move the difference between channels into the weights, as far as brings the product nearest (SmoothQuant).

    BERT's outliers are a few channels, always the same: clipping them costs most of the answer, and a range that holds
    them leaves few steps for the others.
    """
    tried = [_min_max(seen, weight), *(_smoothed(seen, weight, strength) for strength in STRENGTHS)]
    return min(tried, key=lambda each: product_error(seen.sample, weight, each, REDUCED_RANGE))


def _smoothed(seen: Observed, weight: FloatArray, strength: float) -> Activation:
    channels, rows = np.maximum(seen.channels, 1e-5), np.maximum(np.abs(weight).max(1), 1e-5)
    factors = channels**strength / rows ** (1 - strength)
    factors = np.asarray(factors / np.exp(np.log(factors).mean()), np.float32)
    divided = seen.sample / factors
    most = float((seen.channels / factors).max())  # of all tokens, where the sample has some
    low, high = min(0.0, float(divided.min())), max(0.0, float(divided.max()))
    return Activation(low, most, factors) if high >= -low else Activation(-most, high, factors)


METHODS: dict[str, Method] = {"smooth": _smooth, "min-max": _min_max, "percentile": _percentile, "entropy": _entropy}
"""By name, the default first."""
