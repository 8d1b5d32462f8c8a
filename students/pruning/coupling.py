"""Which channels of a model go together, as torch-pruning finds by tracing it, and their removal.

Fang et al. 2023, "DepGraph", arXiv:2301.12900. A group that does not hold what it must would be a model that was pruned
in some places and not in others, or nowhere: after a removal all shapes are checked (`students.pruning.removal`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning
from torch import nn
from transformers import PreTrainedModel

from pocketbert.factorised import FactorisedEmbedding
from students.anatomy import Anatomy, anatomy

Group = Any
"""torch-pruning's, which has no types: what is removed together, and how."""


class _Factors(torch_pruning.BasePruningFunc):  # type: ignore[misc]  # untyped
    """How a word table in two factors is pruned: what it gives is its projection's, and the narrow table stays."""

    TARGET_MODULES = FactorisedEmbedding

    def prune_out_channels(self, layer: FactorisedEmbedding, idxs: Sequence[int]) -> nn.Module:
        torch_pruning.prune_linear_out_channels(layer.projection, idxs)
        return layer

    prune_in_channels = prune_out_channels

    def get_out_channels(self, layer: FactorisedEmbedding) -> int:
        return layer.projection.out_features

    get_in_channels = get_out_channels


_FACTORS = _Factors()


@dataclass(frozen=True)
class Groups:
    """All channels of each group.

    Attributes:
        attention: of each layer; heads * head size channels of query, key, value and the output's input.
        feed_forward: of each layer.
        hidden: the residual stream with everything that reads or writes it.
        head: the width inside the classification head, None where it has one step.
    """

    attention: tuple[Group, ...]
    feed_forward: tuple[Group, ...]
    hidden: Group
    head: Group | None


def coupled(model: PreTrainedModel) -> Groups:
    """Return a model's groups with all their channels."""
    parts, graph = anatomy(model), _graph(model)
    return Groups(
        attention=tuple(_group(graph, layer.query, range(layer.query.out_features)) for layer in parts.layers),
        feed_forward=tuple(
            _group(graph, layer.feed_forward_in, range(layer.feed_forward_in.out_features)) for layer in parts.layers
        ),
        hidden=_group(graph, _first(parts), range(parts.hidden)),
        head=_group(graph, parts.head[0].linear, range(parts.head[0].linear.out_features))
        if len(parts.head) == 2
        else None,
    )


def remove_channels(
    model: PreTrainedModel,
    attention: Sequence[Sequence[int]],
    feed_forward: Sequence[Sequence[int]],
    hidden: Sequence[int],
    head: Sequence[int],
) -> None:
    """Remove channels with everything that goes with them, in place.

    Args:
        model: the model that is written.
        attention: of each layer the channels of all its heads side by side.
        feed_forward: of each layer.
        hidden: of the residual stream.
        head: of the width inside the classification head.
    """
    parts, graph = anatomy(model), _graph(model)
    wanted: list[tuple[nn.Module, Sequence[int]]] = [(_first(parts), hidden)]
    wanted += [(layer.query, channels) for layer, channels in zip(parts.layers, attention, strict=True)]
    wanted += [(layer.feed_forward_in, channels) for layer, channels in zip(parts.layers, feed_forward, strict=True)]
    if len(parts.head) == 2:
        wanted.append((parts.head[0].linear, head))
    for module, channels in wanted:
        if channels:
            _group(graph, module, channels).prune()


def _first(parts: Anatomy) -> nn.Module:
    """Return the first module that writes the residual stream."""
    return parts.word_embeddings if parts.embedding_projection is None else parts.embedding_projection


def _graph(model: PreTrainedModel) -> Any:  # noqa: ANN401  (untyped)
    ids = torch.full((1, 4), 2, device=model.device)
    example = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with _all_trained(model), torch.enable_grad():
        return torch_pruning.DependencyGraph().build_dependency(
            model,
            example_inputs=example,
            output_transform=lambda output: output.logits,
            customized_pruners={FactorisedEmbedding: _FACTORS},
        )


@contextmanager
def _all_trained(model: PreTrainedModel) -> Iterator[None]:
    """Let every parameter have a gradient: a graph is traced along them, and what has none is not in it."""
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def _group(graph: Any, module: nn.Module, channels: Sequence[int]) -> Group:  # noqa: ANN401  (untyped)
    remove: Callable[..., Any] = torch_pruning.prune_linear_out_channels
    if isinstance(module, FactorisedEmbedding):
        remove = _FACTORS.prune_out_channels
    elif isinstance(module, nn.Embedding):
        remove = torch_pruning.prune_embedding_out_channels
    return graph.get_pruning_group(module, remove, list(channels))
