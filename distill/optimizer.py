"""AdamW that touches of an embedding table no more rows than a step has read."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

LAST = "last"
"""The state's name for the step at which a row was last read, [rows]."""


class RowAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101), row by row where a gradient is sparse.

    A batch reads some hundred rows of a table of tens of thousands, which is most of a small student's parameters. Rows
    that are read in every step are updated as AdamW does. For another row, its moments and its weight decay catch up
    when it is read again; what AdamW would have moved it by its momentum in between is left out.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch overloads
        """Take one step."""
        sparse = [
            (group, parameter, parameter.grad)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        for _, parameter, _ in sparse:
            parameter.grad = None
        loss: float | None = super().step(closure)
        for group, parameter, gradient in sparse:
            self._step_rows(group, parameter, gradient.coalesce())
            parameter.grad = gradient
        return loss

    def _step_rows(self, group: dict[str, Any], parameter: Tensor, gradient: Tensor) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state[LAST] = torch.zeros(len(parameter))
        state["step"] += 1
        step, rate, (first, second) = float(state["step"]), float(group["lr"]), group["betas"]
        rows, values = gradient.indices()[0], gradient.values()
        passed = (step - state[LAST][rows])[:, None]
        mean = (state["exp_avg"][rows] * first**passed).add_(values, alpha=1 - first)
        square = (state["exp_avg_sq"][rows] * second**passed).addcmul_(values, values, value=1 - second)
        deviation = square.sqrt().div_(math.sqrt(1 - second**step)).add_(group["eps"])
        kept = parameter[rows] * (1 - rate * group["weight_decay"]) ** passed
        size = torch.tensor(rate / (1 - first**step), dtype=torch.float64)  # a tensor may overflow, a number may not
        parameter.index_copy_(0, rows, kept.sub_(mean.div(deviation).mul_(size)))
        state["exp_avg"].index_copy_(0, rows, mean)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        state[LAST][rows] = step


def clip_gradients(parameters: Iterator[nn.Parameter], largest: float) -> Tensor:
    """Scale all gradients, sparse ones too, so that their norm together is at most `largest`; return what it was."""
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    sparse = [parameter for parameter in trained if parameter.grad is not None and parameter.grad.is_sparse]
    for parameter in sparse:
        assert parameter.grad is not None  # noqa: S101  (for type checkers: chosen so)
        parameter.grad = parameter.grad.coalesce()
    gradients = [p.grad.values() if p.grad.is_sparse else p.grad for p in trained if p.grad is not None]
    norm = get_total_norm(gradients)
    clip_grads_with_norm_([p for p in trained if p not in set(sparse)], largest, norm)
    for parameter in sparse:
        assert parameter.grad is not None  # noqa: S101  (for type checkers: chosen so)
        parameter.grad.values().mul_((largest / (norm + 1e-6)).clamp(max=1.0))
    return norm


@contextmanager
def sparse_gradients(table: nn.Module, *, wanted: bool = True) -> Iterator[None]:
    """Let an embedding table's gradient be sparse within a block, where that helps.

    On an accelerator a dense update of the table takes no time worth saving.

    Args:
        table: an nn.Embedding; anything else stays as it is.
        wanted: whether nothing else reads the table's weight, as the decoder of a language model does.
    """
    helps = wanted and isinstance(table, nn.Embedding) and table.weight.requires_grad
    if not helps or torch.accelerator.is_available():
        yield
        return
    assert isinstance(table, nn.Embedding)  # noqa: S101  (for type checkers: checked above)
    table.sparse = True
    try:
        yield
    finally:
        table.sparse = False
