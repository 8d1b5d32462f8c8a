"""Where tensors live, and in what precision they train there."""

import time

import torch
from torch import nn

from pocketbert.errors import UserError

BF16_SLOWEST = 2.0
"""Times the float32 time of a layer's step at which bfloat16 is refused; emulated, it takes 3 to 100 times."""

WORTH_IT = 0.9
"""Of the float32 time, below which bfloat16 is chosen: its numbers are coarser."""

BLOCK_ROWS, BLOCK_STEPS = (16_384, 448), 6
"""Tokens of a step, on an accelerator and on a CPU; and how many are timed."""


def best_device() -> torch.device:
    """Return the accelerator where there is one, else the CPU."""
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def move(model: nn.Module, device: torch.device | str) -> None:
    """Move a model in place (through nn.Module: transformers wraps `to` in a way type checkers can't follow)."""
    nn.Module.to(model, device)


def check_bf16() -> None:
    """Refuse bfloat16 where a layer's step in it takes more than `BF16_SLOWEST` times the time in float32.

    A GPU that emulates it may pass, since so small a layer is mostly the time to launch it.

    Raises:
        UserError: it does (processors without the instructions emulate it).
    """
    device = best_device()
    ratio = _step_seconds(torch.bfloat16, device) / _step_seconds(torch.float32, device)
    if ratio > BF16_SLOWEST:
        raise UserError(
            f"--precision bf16: this machine ({device.type}) takes {ratio:.0f} times as long in bfloat16 as in "
            "float32: take --precision fp32."
        )


def choose_bf16() -> tuple[bool, str]:
    """Return whether a training is faster in bfloat16 here, and a line that says why; takes less than a second."""
    device = best_device()
    seconds = {bf16: _block_seconds(device, bf16) for bf16 in (True, False)}
    share = seconds[True] / seconds[False]
    name = "bfloat16" if share < WORTH_IT else "float32"
    return (
        share < WORTH_IT,
        f"{name} (a layer's step in bfloat16 takes {share:.2f} of its time in float32 here)",
    )


def _block_seconds(device: torch.device, bf16: bool) -> float:
    """Return the best time of a feed-forward block's training step as a trainer has it, casts included."""
    block = nn.Sequential(nn.Linear(384, 1536), nn.GELU(), nn.Linear(1536, 384), nn.LayerNorm(384)).to(device)
    rows = torch.ones(BLOCK_ROWS[device.type == "cpu"], 384, device=device)
    spent = []
    for _ in range(BLOCK_STEPS):
        begin = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, bf16):
            loss = block(rows).float().square().mean()
        gradients = torch.autograd.grad(loss, list(block.parameters()))
        float(gradients[0][0, 0])  # what was given to an accelerator is done then
        spent.append(time.perf_counter() - begin)
    return min(spent)


def _step_seconds(kind: torch.dtype, device: torch.device) -> float:
    """Return the best time of a small feed-forward layer, forward and backward (the slower when emulated)."""
    layer = nn.Linear(384, 1536, dtype=kind, device=device)
    rows = torch.ones(448, 384, dtype=kind, device=device, requires_grad=True)
    spent = []
    for _ in range(3):
        begin = time.perf_counter()
        gradient, _ = torch.autograd.grad(layer(rows).sum(), [layer.weight, rows])
        gradient[0, 0].item()
        spent.append(time.perf_counter() - begin)
    return min(spent)
