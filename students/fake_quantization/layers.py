"""Layers that compute with rounded weights and inputs. They replace the class of a layer, so its names stay."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pocketbert.errors import UserError
from pocketbert.factorised import FactorisedEmbedding
from students.fake_quantization.rounding import fake_quantize
from students.fake_quantization.settings import Settings
from students.quantization import FULL_RANGE


class QuantizedLinear(nn.Linear):
    """A linear layer whose input and weight are rounded; bias and sum are float32.

    In training mode the range of the inputs follows max|x| of the batches; in evaluation mode it is frozen.

    Attributes:
        largest_input: scalar, what the integer 127 of an input stands for; no part of the state.
        has_range: whether it holds anything yet.
        settings: see Settings.
    """

    largest_input: Tensor
    has_range: bool
    settings: Settings

    def forward(self, input: Tensor) -> Tensor:
        """Return [..., out] of [..., in]."""
        if self.training:
            self._follow(input)
        if not self.has_range:
            raise UserError(
                "a fake-quantised layer has no range of its inputs yet: run a batch in training mode, or load_ranges"
            )
        x = fake_quantize(input, self.largest_input, FULL_RANGE)
        return functional.linear(x, self.rounded_weight(), self.bias)

    def rounded_weight(self) -> Tensor:
        """Return the weight as it will be in the file."""
        return fake_quantize(self.weight, _most(self.weight, self.settings), self.settings.largest_weight)

    @torch.no_grad()
    def _follow(self, x: Tensor) -> None:
        most = x.detach().abs().amax().float()
        if self.has_range:
            decay = self.settings.decay
            most = decay * self.largest_input + (1 - decay) * most
        self.largest_input.copy_(most)
        self.has_range = True


class QuantizedEmbedding(nn.Embedding):
    """A table of embeddings whose rows are rounded to int8, each with its scale or all with one."""

    settings: Settings

    def forward(self, input: Tensor) -> Tensor:
        """Return [..., width] of ids [...]."""
        return _rounded_rows(self, super().forward(input), self.settings)


class QuantizedFactorisedEmbedding(FactorisedEmbedding):
    """A table in two factors whose narrow rows are rounded to int8; its projection is a linear layer like others."""

    settings: Settings

    def narrow(self, input: Tensor) -> Tensor:
        """Return [..., E] of ids [...]."""
        return _rounded_rows(self, super().narrow(input), self.settings)


def _rounded_rows(table: nn.Embedding, rows: Tensor, settings: Settings) -> Tensor:
    most = table.weight.detach().abs().amax() if settings.per_tensor else _row_most(rows)
    return fake_quantize(rows, most, FULL_RANGE)


def _most(weight: Tensor, settings: Settings) -> Tensor:
    return weight.detach().abs().amax() if settings.per_tensor else _row_most(weight)


def _row_most(rows: Tensor) -> Tensor:
    return rows.detach().abs().amax(-1, keepdim=True)
