"""Takes NoNorm out of a MobileBERT: its scales and shifts go into the linear layers around it.

NoNorm (MobileBERT, equation 3) is h -> g * h + b. Where its result goes into linear layers alone, they take g and b in.
Where it is added to a later sum, too, the sum is kept in units of g and without b, and so is whatever is added to it:
the layers that write to a stream divide, and those that read from it multiply. Two streams run through the model: the
one between the blocks, from the embeddings to the head, and one inside each block.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

SMALLEST = 1e-3
"""A scale below this can't be divided by without loss; such a model is left as it is."""


def has_no_norm(model: PreTrainedModel) -> bool:
    """Tell whether a model has the norm that can be folded."""
    return any(type(module).__name__ == "NoNorm" for module in model.modules())  # transformers does not export it


@torch.no_grad()
def folded(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a MobileBERT whose NoNorms do nothing and are left out, with the same answers.

    Where a scale is too near to 0 to be divided by, the model itself is returned.

    Args:
        model: with a head for texts or tokens, and `normalization_type` "no_norm".
    """
    other: Any = copy.deepcopy(model)
    encoder = other.base_model
    wide = _Stream(encoder.embeddings.LayerNorm)
    for layer in encoder.encoder.layer:
        _fold_layer(layer, wide)
        if not wide.sound:
            return model
    wide.read(_head(other))
    for name, module in list(other.named_modules()):
        if type(module).__name__ == "NoNorm":  # transformers does not export the class
            other.set_submodule(name, nn.Identity())
    return other  # type: ignore[no-any-return]  # a copy of the model


def _head(model: Any) -> nn.Linear:  # noqa: ANN401  (a MobileBERT with any head)
    """Return what reads the last hidden states."""
    pooler = model.base_model.pooler
    if pooler is not None and pooler.do_activate:
        head: nn.Linear = pooler.dense
    else:
        head = model.classifier if hasattr(model, "classifier") else model.qa_outputs
    return head


def _fold_layer(layer: Any, wide: "_Stream") -> None:  # noqa: ANN401  (transformers' layer)
    attention = layer.attention
    shrink = [layer.bottleneck.input]
    if hasattr(layer.bottleneck, "attention"):
        shrink.append(layer.bottleneck.attention)
    for module in shrink:
        wide.read(module.dense)
        _absorb(module.dense, module.LayerNorm)
    for name in _readers(layer.bottleneck):
        wide.read(getattr(attention.self, name))
    inner = _Stream()
    inner.add(attention.output)
    for block in getattr(layer, "ffn", ()):
        inner.read(block.intermediate.dense)
        inner.add(block.output)
    inner.read(layer.intermediate.dense)
    inner.add(layer.output)
    inner.read(layer.output.bottleneck.dense)
    wide.add(layer.output.bottleneck)
    wide.sound &= inner.sound


def _readers(bottleneck: Any) -> tuple[str, ...]:  # noqa: ANN401  (transformers' module)
    """Return which of queries, keys and values read the state between the blocks; the others read what shrinks it."""
    if bottleneck.use_bottleneck_attention:
        return ()
    return ("value",) if bottleneck.key_query_shared_bottleneck else ("query", "key", "value")


def _absorb(linear: nn.Linear, norm: Any) -> None:  # noqa: ANN401  (NoNorm, which transformers does not export)
    """Let a linear layer do what the norm behind it does."""
    linear.weight.mul_(norm.weight[:, None])
    linear.bias.mul_(norm.weight).add_(norm.bias)


class _Stream:
    """A sum that layers add to: the true value is `scale` times the kept one, plus `shift`."""

    def __init__(self, norm: Any = None) -> None:  # noqa: ANN401  (NoNorm)
        self.scale: Tensor | None = None if norm is None else norm.weight.clone()
        self.shift: Tensor | None = None if norm is None else norm.bias.clone()
        self.sound = self.scale is None or bool(self.scale.abs().min() > SMALLEST)

    def read(self, linear: nn.Linear) -> None:
        """Let a linear layer take the kept value for the true one."""
        if self.scale is not None and self.shift is not None:
            linear.bias.add_(linear.weight @ self.shift)
            linear.weight.mul_(self.scale)

    def add(self, module: Any) -> None:  # noqa: ANN401  (has `dense` and `LayerNorm`)
        """Let a linear layer add to the kept value, and take the norm behind the sum in."""
        if self.scale is not None and self.shift is not None:
            module.dense.bias.add_(self.shift)
            module.dense.weight.div_(self.scale[:, None])
            module.dense.bias.div_(self.scale)
        weight, shift = module.LayerNorm.weight, module.LayerNorm.bias
        self.scale = weight.clone() if self.scale is None else self.scale * weight
        self.shift = shift.clone()
        self.sound &= bool(self.scale.abs().min() > SMALLEST)
