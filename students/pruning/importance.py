"""How much a model would lose with each head, neuron, hidden dimension and layer.

Taylor: Molchanov et al. 2019, arXiv:1906.10771, equation 8: the squared change of the loss to first order, (dL/dm)^2,
summed over texts, where m multiplies the part and is 1; for a part with the value a that is (sum over tokens of
a * dL/da)^2. Squares of several parts add up where the parts are independent, absolute values (Michel et al. 2019,
arXiv:1905.10650) do not: eight neurons would seem dearer than a head of 32 channels, within which signs cancel.
Magnitude: the sum of the squared weights that are removed together, as torch-pruning finds them (Fang et al. 2023,
arXiv:2301.12900).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce

import torch
import torch_pruning
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from pocketbert.errors import UserError
from students.anatomy import Anatomy, anatomy
from students.pruning.coupling import coupled


@dataclass(frozen=True)
class Importance:
    """What each part is worth; only ratios matter.

    Attributes:
        heads: of each layer [heads].
        feed_forward: of each layer [neurons].
        hidden: [H].
        layers: [layers].
        head: of the width inside the classification head, [H]; empty where it has one step.
    """

    heads: tuple[Tensor, ...]
    feed_forward: tuple[Tensor, ...]
    hidden: Tensor
    layers: Tensor
    head: Tensor

    def __add__(self, other: "Importance") -> "Importance":
        return Importance(
            heads=tuple(a + b for a, b in zip(self.heads, other.heads, strict=True)),
            feed_forward=tuple(a + b for a, b in zip(self.feed_forward, other.feed_forward, strict=True)),
            hidden=self.hidden + other.hidden,
            layers=self.layers + other.layers,
            head=self.head + other.head,
        )


def importance_of(model: PreTrainedModel, batches: Sequence[Mapping[str, Tensor]], kind: str) -> Importance:
    """Measure a model's parts.

    Args:
        model: a sequence classifier; it stays as it is.
        batches: `input_ids`, `attention_mask`, perhaps `token_type_ids`, and for "taylor" `labels`.
        kind: "taylor" or "magnitude".

    Raises:
        UserError: no batches or no labels for "taylor", or numbers that are not finite.
    """
    if kind == "magnitude":
        return magnitude(model)
    if not batches:
        raise UserError(
            "importance=taylor needs some text to measure the model on: give some, or importance=magnitude."
        )
    if any("labels" not in batch for batch in batches):
        raise UserError("importance=taylor needs labels, and the text has none: give some, or importance=magnitude.")
    return taylor(model, batches)


def taylor(model: PreTrainedModel, batches: Sequence[Mapping[str, Tensor]]) -> Importance:
    """Return the first-order importance of each part, summed over the texts; dropout is off."""
    parts = anatomy(model)
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    was_training = model.training
    model.train(False)
    try:
        result = reduce(Importance.__add__, (_of_batch(model, parts, batch) for batch in batches))
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
        model.train(was_training)
    if not torch.isfinite(result.hidden).all():
        raise UserError("the model's gradients are not finite: its training has diverged; lower the learning rate.")
    return result


def _of_batch(model: PreTrainedModel, parts: Anatomy, batch: Mapping[str, Tensor]) -> Importance:
    with _watched(parts) as seen, torch.enable_grad():
        rows = len(batch["input_ids"])
        (model(**batch).loss * rows).backward()  # the mean's gradient would count texts of small batches more
    effects = {name: [_effect(values) for values in several] for name, several in seen.items()}
    streams = seen["stream"]
    ends = streams[::2]  # the embeddings, and what each layer gives
    layers = [_change(before, after).square().sum() for before, after in itertools.pairwise(ends)]
    return Importance(
        heads=tuple(
            effect.unflatten(1, (layer.heads, -1)).sum(2).square().sum(0)
            for effect, layer in zip(effects["context"], parts.layers, strict=True)
        ),
        feed_forward=tuple(effect.square().sum(0) for effect in effects["neurons"]),
        hidden=torch.stack(effects["stream"]).sum(0).square().sum(0),
        layers=torch.stack(layers),
        head=effects["head"][0].square().sum(0) if effects["head"] else torch.zeros(0),
    )


def _effect(values: Tensor) -> Tensor:
    """Return what the loss would change by, to first order, without each value: [texts, width]."""
    assert values.grad is not None  # noqa: S101  (everything watched is on the way to the loss)
    product = values.detach() * values.grad
    return product.sum(1) if product.dim() == 3 else product  # the head has one token a text


def _change(before: Tensor, after: Tensor) -> Tensor:
    """Return what the loss would change by, to first order, if a layer gave its input back: [texts]."""
    assert after.grad is not None  # noqa: S101  (as above)
    return ((after - before).detach() * after.grad).sum((1, 2))


@contextmanager
def _watched(parts: Anatomy) -> Iterator[dict[str, list[Tensor]]]:
    """Collect, with their gradients, contexts, neurons, the residual stream and the width inside the head."""
    seen: dict[str, list[Tensor]] = {"context": [], "neurons": [], "stream": [], "head": []}
    handles: list[RemovableHandle] = []

    def before(name: str, module: nn.Module) -> None:
        handles.append(module.register_forward_pre_hook(lambda _, inputs: _keep(seen[name], inputs[0])))

    def after(name: str, module: nn.Module) -> None:
        handles.append(module.register_forward_hook(lambda _, inputs, output: _keep(seen[name], output)))

    after("stream", parts.embedding_norm if parts.embedding_projection is None else parts.embedding_projection)
    for layer in parts.layers:
        before("context", layer.output)
        before("neurons", layer.feed_forward_out)
        after("stream", layer.attention_norm)
        after("stream", layer.feed_forward_norm)
    if len(parts.head) == 2:
        before("head", parts.head[1].linear)
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _keep(values: list[Tensor], tensor: Tensor) -> None:
    if not tensor.requires_grad:
        tensor.requires_grad_(True)  # the embeddings, behind which nothing is asked for
    tensor.retain_grad()
    values.append(tensor)


@torch.no_grad()
def magnitude(model: PreTrainedModel) -> Importance:
    """Return the sum of squared weights that go with each part."""
    groups = coupled(model)
    squares = torch_pruning.importance.GroupMagnitudeImportance(p=2, group_reduction="sum", normalizer=None)
    heads = [
        squares(group).unflatten(0, (layer.heads, -1)).sum(1)
        for group, layer in zip(groups.attention, anatomy(model).layers, strict=True)
    ]
    neurons = [squares(group) for group in groups.feed_forward]
    return Importance(
        heads=tuple(heads),
        feed_forward=tuple(neurons),
        hidden=squares(groups.hidden),
        layers=torch.stack([a.sum() + b.sum() for a, b in zip(heads, neurons, strict=True)]),
        head=torch.zeros(0) if groups.head is None else squares(groups.head),
    )
