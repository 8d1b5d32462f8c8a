"""Int8 with ranges that are fixed before it runs: answers do not depend on what shares a batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit
from students.calibration import Activation, Calibration, quantize_columns
from students.exporting.graph import CONTRIB, Graph
from students.exporting.precision import FloatArray, Int8, weight_and_bias
from students.quantized_parts import encoder_linears


class StaticInt8(Int8):
    """QuantizeLinear with a constant scale, then MatMulIntegerToFloat; layers without a range are dynamic.

    Args:
        graph: where to write.
        model: as it is written; it has the names of the layers.
        calibration: of that model.

    Raises:
        DoesNotFit: the calibration is of another model.
    """

    def __init__(self, graph: Graph, model: PreTrainedModel, calibration: Calibration) -> None:
        super().__init__(graph, largest=calibration.largest_weight)
        self.calibration = calibration
        self._names: Mapping[int, str] = {id(x): name for name, x in encoder_linears(model).items()}
        check_calibration(model, calibration)
        self._bytes: dict[tuple[str, float, float, int], str] = {}

    def _product(self, linears: tuple[nn.Linear, ...], x: str, name: str) -> str:
        names = [self._names[id(linear)] for linear in linears]
        chosen = _shared([self.calibration.inputs[each] for each in names])
        if chosen is None:
            return super()._product(linears, x, name)
        weight, bias = weight_and_bias(*linears)
        if chosen.factors is not None:
            weight = weight * chosen.factors[:, None]
        bias = bias + np.concatenate([self._shift(each) for each in linears])
        values, scale = quantize_columns(weight, self.largest, per_tensor=self.calibration.per_tensor)
        return self._multiplied(self._quantized(x, chosen), chosen, (values, scale[0], bias), name)

    def _shift(self, linear: nn.Linear) -> FloatArray:
        found = self.calibration.shifts.get(self._names[id(linear)])
        return np.zeros(linear.out_features, np.float32) if found is None else found

    def _quantized(self, x: str, chosen: Activation) -> str:
        """Write an input's bytes; layers that share it and its range share them."""
        key = (x, chosen.low, chosen.high, 0 if chosen.factors is None else id(chosen.factors))
        if key not in self._bytes:
            graph, name = self.graph, f"{x}.static{len(self._bytes)}"
            if chosen.factors is not None:
                factors = graph.constant(f"{name}.factors", np.asarray(1 / chosen.factors, np.float32))
                x = graph.op("Mul", [x, factors], f"{name}.smooth")
            self._bytes[key] = graph.op("QuantizeLinear", [x, *self._grid(chosen, name)], f"{name}.uint8")
        return self._bytes[key]

    def _grid(self, chosen: Activation, name: str) -> tuple[str, str]:
        step = self.graph.constant(f"{name}.step", np.asarray(chosen.step))
        return step, self.graph.constant(f"{name}.zero", np.asarray(chosen.zero_point))

    def _multiplied(self, x: str, chosen: Activation, constants: tuple[Any, FloatArray, FloatArray], name: str) -> str:
        """Write bytes times int8 weights, as float32."""
        graph, (values, scale, bias) = self.graph, constants
        step, zero = self._grid(chosen, name)
        inputs = [
            x,
            graph.constant(f"{name}.weight_int8", values),
            step,
            graph.constant(f"{name}.scale", scale),
            zero,
            graph.constant(f"{name}.zero_point", np.zeros(scale.size, np.int8)),
            graph.constant(f"{name}.bias", bias),
        ]
        return graph.op("MatMulIntegerToFloat", inputs, name, CONTRIB)


class StandardStaticInt8(StaticInt8):
    """The same in standard operators, QuantizeLinear and DequantizeLinear around MatMul, which runtimes fuse."""

    def _multiplied(self, x: str, chosen: Activation, constants: tuple[Any, FloatArray, FloatArray], name: str) -> str:
        graph, (values, scale, bias) = self.graph, constants
        left = graph.op("DequantizeLinear", [x, *self._grid(chosen, name)], f"{name}.input")
        weight = [
            graph.constant(f"{name}.weight_int8", values),
            graph.constant(f"{name}.scale", scale),
            graph.constant(f"{name}.zero_point", np.zeros(scale.size, np.int8)),
        ]
        right = graph.op("DequantizeLinear", weight, f"{name}.weight", axis=1)
        product = graph.op("MatMul", [left, right], f"{name}.product")
        return graph.op("Add", [product, graph.constant(f"{name}.bias", bias)], name)


def check_calibration(model: PreTrainedModel, calibration: Calibration) -> None:
    """Raise DoesNotFit if a layer is lacking in the calibration, or in the model."""
    names = set(encoder_linears(model))
    if names != set(calibration.inputs):
        other = min(names ^ set(calibration.inputs))
        raise DoesNotFit(f"the ranges are of another model: {other} is in one of them alone; calibrate again")


def _shared(found: list[Activation | None]) -> Activation | None:
    """Return the range that holds all; None where a layer is dynamic, or where they are divided differently."""
    first = found[0]
    if first is None or all(each is first for each in found):
        return first
    known = [each for each in found if each is not None and each.factors is None]
    if len(known) < len(found):
        return None
    return Activation(min(each.low for each in known), max(each.high for each in known))
