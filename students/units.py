"""The units that a regression answers in, changed in its head."""

import torch
from torch import nn

from pocketbert.errors import DoesNotFit


@torch.no_grad()
def rescale(model: nn.Module, scale: float, shift: float) -> None:
    """Change a regression's last layer in place, so that it answers `scale` times as much, plus `shift`.

    Raises:
        DoesNotFit: the model ends in no linear layer of one output with a bias.
    """
    outputs = [part for part in model.modules() if isinstance(part, nn.Linear) and part.out_features == 1]
    if not outputs or outputs[-1].bias is None:
        raise DoesNotFit(
            f"a {type(model).__name__} ends in no linear layer of one output with a bias, which a regression's units "
            "are written into: take another one."
        )
    outputs[-1].weight.mul_(scale)
    outputs[-1].bias.mul_(scale).add_(shift)
