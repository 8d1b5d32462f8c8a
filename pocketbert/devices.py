"""Where tensors live."""

import torch
from torch import nn


def best_device() -> torch.device:
    """Return the accelerator where there is one, else the CPU."""
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def move(model: nn.Module, device: torch.device | str) -> None:
    """Move a model in place (through nn.Module: transformers wraps `to` in a way type checkers can't follow)."""
    nn.Module.to(model, device)
