"""The units that a regression answers in, changed in its head."""

import torch
from torch import nn


@torch.no_grad()
def rescale(model: nn.Module, scale: float, shift: float) -> None:
    """Change a regression's last layer in place, so that it answers `scale` times as much, plus `shift`."""
    head = [part for part in model.modules() if isinstance(part, nn.Linear) and part.out_features == 1][-1]
    head.weight.mul_(scale)
    head.bias.mul_(scale).add_(shift)
