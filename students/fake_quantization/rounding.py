"""Rounding to a grid of integers with a gradient that passes unchanged."""

from typing import Any

import torch
from torch import Tensor


class _Rounded(torch.autograd.Function):
    """The grid's nearest number forwards; the identity backwards, beyond the range too, as in Q8BERT."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, largest: int) -> Tensor:  # noqa: ANN401  (torch's context)
        return torch.clamp(torch.round(x / step), -largest, largest) * step

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401  (the same)
        return gradients[0], None, None


def fake_quantize(x: Tensor, most: Tensor, largest: int) -> Tensor:
    """Return x rounded to multiples of most / largest, and clipped to `most` both ways; equation 1 of Q8BERT.

    The gradient is that of the identity (the straight-through estimator). Computed in float32, under autocast too.

    Args:
        x: any float tensor.
        most: what the integer `largest` stands for; broadcasts against x. Where it is 0, x must be, too.
        largest: at most 127 for int8.
    """
    with torch.autocast(x.device.type, enabled=False):
        step = most.detach().float() / largest
        step = torch.where(step > 0, step, torch.ones_like(step))
        rounded: Tensor = _Rounded.apply(x.float(), step, largest)  # type: ignore[no-untyped-call]  # torch's
        return rounded.to(x.dtype)
