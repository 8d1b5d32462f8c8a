"""Runs texts through a model and keeps what its layers read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from pocketbert.errors import UserError
from students.exporting.blocks import input_names
from students.exporting.precision import FloatArray
from students.exporting.running import Encoding
from students.quantized_parts import encoder_linears

LEAST_TEXTS = 32
KEPT = 1024
"""Tokens of which a layer's inputs are kept, spread evenly over the texts; extremes are those of all tokens."""


@dataclass
class Observed:
    """What layers that share an input read.

    Attributes:
        names: of the layers in the model.
        low: the smallest number, at most 0.
        high: the largest, at least 0.
        channels: [in], the largest magnitude of each.
        kept: some tokens' inputs, [tokens, in] each.
    """

    names: tuple[str, ...]
    low: float
    high: float
    channels: FloatArray
    kept: list[FloatArray]

    @property
    def sample(self) -> FloatArray:
        """Inputs [tokens, in]."""
        return np.concatenate(self.kept)


def observe(model: PreTrainedModel, encodings: Sequence[Encoding]) -> list[Observed]:
    """Return what the encoder's layers read, those that read the same together; padding is never seen.

    Args:
        model: answers in evaluation mode, and has its own again afterwards.
        encodings: texts as ids, at least 32.

    Raises:
        UserError: too few texts.
    """
    if len(encodings) < LEAST_TEXTS:
        raise UserError(f"{len(encodings)} texts are too few to calibrate with: give at least {LEAST_TEXTS}.")
    names, found = {id(x): name for name, x in encoder_linears(model).items()}, dict[str, Observed]()
    each, generator = -(-KEPT // len(encodings)), np.random.default_rng(0)
    asked, was_training = input_names(model), model.training
    model.eval()
    with torch.inference_mode(), _inputs_of(model) as inputs:
        for encoding in encodings:
            inputs.clear()
            feed = {name: torch.tensor([list(ids)], device=model.device) for name, ids in encoding.items()}
            model(**{name: ids for name, ids in feed.items() if name in asked})
            for modules, x in inputs:
                _add(found, tuple(names[id(module)] for module in modules), _tokens(x), each, generator)
    model.train(was_training)
    return list(found.values())


@contextmanager
def _inputs_of(model: PreTrainedModel) -> Iterator[list[tuple[list[nn.Linear], Tensor]]]:
    """Give a list that a forward pass fills with inputs and the layers that read them."""
    inputs: list[tuple[list[nn.Linear], Tensor]] = []

    def note(module: nn.Linear, given: tuple[Any, ...]) -> None:
        for modules, x in inputs:
            if x is given[0]:
                modules.append(module)
                return
        inputs.append(([module], given[0]))

    handles = [x.register_forward_pre_hook(note) for x in encoder_linears(model).values()]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


def _tokens(x: Tensor) -> FloatArray:
    return np.asarray(x.float().cpu().numpy().reshape(-1, x.shape[-1]))


def _add(
    found: dict[str, Observed], names: tuple[str, ...], x: FloatArray, most: int, generator: np.random.Generator
) -> None:
    """Add a text's inputs [tokens, in], of which at most `most` tokens are kept."""
    some = x if len(x) <= most else x[generator.choice(len(x), most, replace=False)]
    channels = np.abs(x).max(0)
    seen = found.get(names[0])
    if seen is None:
        found[names[0]] = Observed(names, min(0.0, float(x.min())), max(0.0, float(x.max())), channels, [some])
        return
    seen.low, seen.high = min(seen.low, float(x.min())), max(seen.high, float(x.max()))
    seen.channels = np.maximum(seen.channels, channels)
    seen.kept.append(some)
