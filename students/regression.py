"""Closed-form repairs: the smallest change of given weights that makes a layer hit its targets."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the usual name)

STRENGTH = 1e-3
"""Ridge penalty as a share of the inputs' mean variance."""
ROWS_AT_ONCE = 4096
"""What is left over for all rows at once would be the most that a start holds."""


def fit_linear(
    linear: nn.Linear, weight: Tensor, bias: Tensor, inputs: Tensor, targets: Tensor, strength: float = STRENGTH
) -> None:
    """Write to `linear` the weights next to `weight`, `bias` that map `inputs` to `targets` best.

    It is ridge regression on what `weight` and `bias` leave over, so weights that hit their targets stay as they are.

    Args:
        linear: the layer that is written, [out, in].
        weight: where to start, [out, in].
        bias: where to start, [out].
        inputs: [N, in].
        targets: [N, out].
        strength: penalty on the change, as a share of the inputs' mean variance.
    """
    missing = targets.mean(0) - F.linear(inputs.mean(0), weight, bias)
    change = ridge(inputs, targets, strength, weight)
    linear.weight.copy_(weight + change)
    linear.bias.copy_(bias + missing - change @ inputs.mean(0))


def ridge(inputs: Tensor, targets: Tensor, strength: float = STRENGTH, known: Tensor | None = None) -> Tensor:
    """Return the slope [out, in] of ridge regression with an unpenalised intercept.

    Args:
        inputs: [N, in].
        targets: [N, out].
        strength: as in `fit_linear`.
        known: a slope [out, in] whose part of the targets is taken away first.
    """
    ours, theirs = inputs.mean(0), targets.mean(0)
    gram = torch.zeros(inputs.shape[1], inputs.shape[1], dtype=torch.float64, device=inputs.device)
    cross = torch.zeros(inputs.shape[1], targets.shape[1], dtype=torch.float64, device=inputs.device)
    for some, wanted in zip(inputs.split(ROWS_AT_ONCE), targets.split(ROWS_AT_ONCE), strict=True):
        centred = some - ours
        missing = wanted - theirs if known is None else wanted - theirs - centred @ known.T
        # Float64, since the smallest eigenvalues of 1,000 correlated neurons are near float32's rounding.
        gram += (centred.T @ centred).double() / len(inputs)
        cross += (centred.T @ missing).double() / len(inputs)
    return ridge_of_moments(gram, cross, strength).to(inputs.dtype)


def ridge_of_moments(gram: Tensor, cross: Tensor, strength: float = STRENGTH) -> Tensor:
    """Return the slope [out, in] of ridge regression from covariances of the inputs.

    Args:
        gram: with themselves, [in, in], in double precision; written to.
        cross: with the targets, [in, out].
        strength: penalty as a share of the inputs' mean variance.
    """
    penalty = strength * gram.diagonal().mean() + torch.finfo(torch.float32).tiny
    gram.diagonal().add_(penalty)
    slope: Tensor = torch.linalg.solve(gram, cross)
    return slope.T
