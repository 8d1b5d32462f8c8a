"""A smaller student as the first part of a larger one: its first dimensions, heads, neurons, and some of its layers.

Sharing weights this way is that of Yu and Huang 2019, "Universally slimmable networks", arXiv:1903.05134, for
encoders as in Hou et al. 2020, "DynaBERT", arXiv:2004.04037. Deviation: the width of the residual stream is sliced,
too, and the size of a head.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from students.anatomy import Anatomy, Layer, anatomy
from students.building import student_config
from students.layer_maps import layer_map
from students.spec import StudentSpec

Part = tuple[Tensor, Tensor]


class Slice:
    """One student inside a larger one; its parameters are views, so that gradients reach the larger one's.

    Args:
        spec: of the smaller student, at most as large as the other in everything.
        whole: the larger student.
    """

    def __init__(self, spec: StudentSpec, whole: PreTrainedModel) -> None:
        with torch.device("meta"):
            self._shape: PreTrainedModel = type(whole)(student_config(spec, whole.config))
        names = {id(parameter): name for name, parameter in self._shape.named_parameters()}
        self._parts = {names[id(ours)]: theirs for ours, theirs in _parts(anatomy(self._shape), anatomy(whole))}
        buffers = dict(whole.named_buffers())
        self._buffers = {name: buffers[name] for name, _ in self._shape.named_buffers()}
        missing = set(names.values()) - set(self._parts)
        if missing:
            raise RuntimeError(f"{sorted(missing)[0]} of the smaller student has no counterpart in the larger")

    def weights(self) -> dict[str, Tensor]:
        """Return the smaller student's parameters by name."""
        return self._parts

    def logits(self, inputs: dict[str, Tensor], *, training: bool) -> Tensor:
        """Return what the smaller student answers, [B, C], differentiable by the larger one's parameters."""
        self._shape.train(training)
        output = torch.func.functional_call(self._shape, self._parts | self._buffers, kwargs=inputs)
        logits: Tensor = output.logits
        return logits


def _parts(ours: Anatomy, theirs: Anatomy) -> Iterator[Part]:
    """Return each parameter of the smaller student with its part of the larger one's."""
    width = ours.hidden
    narrow = ours.embedding_projection is not None
    across = slice(None) if narrow else slice(width)
    tables = [(ours.word_embeddings, theirs.word_embeddings), (ours.position_embeddings, theirs.position_embeddings)]
    if ours.token_type_embeddings is not None and theirs.token_type_embeddings is not None:
        tables.append((ours.token_type_embeddings, theirs.token_type_embeddings))
    for table, source in tables:
        yield table.weight, source.weight[:, across]
    yield from _norm(ours.embedding_norm, theirs.embedding_norm, across)
    if ours.embedding_projection is not None and theirs.embedding_projection is not None:
        yield from _linear(ours.embedding_projection, theirs.embedding_projection, slice(width), slice(None))
    chosen = layer_map("spread", len(ours.layers), len(theirs.layers))
    for layer, number in zip(ours.layers, chosen, strict=True):
        yield from _layer(layer, theirs.layers[number], width)
    for number, (step, whole) in enumerate(zip(ours.head, theirs.head, strict=True)):
        last = number == len(ours.head) - 1
        yield from _linear(step.linear, whole.linear, slice(None) if last else slice(width), slice(width))


def _layer(layer: Layer, source: Layer, width: int) -> Iterator[Part]:
    for linear, whole in (
        (layer.query, source.query),
        (layer.key, source.key),
        (layer.value, source.value),
    ):
        weight = whole.weight.unflatten(0, (source.heads, -1))[: layer.heads, : layer.head_size, :width]
        yield linear.weight, weight.flatten(0, 1)
        yield linear.bias, whole.bias.unflatten(0, (source.heads, -1))[: layer.heads, : layer.head_size].flatten()
    output = source.output.weight.unflatten(1, (source.heads, -1))[:width, : layer.heads, : layer.head_size]
    yield layer.output.weight, output.flatten(1)
    yield layer.output.bias, source.output.bias[:width]
    yield from _norm(layer.attention_norm, source.attention_norm, slice(width))
    inner = slice(layer.feed_forward_in.out_features)
    yield from _linear(layer.feed_forward_in, source.feed_forward_in, inner, slice(width))
    yield from _linear(layer.feed_forward_out, source.feed_forward_out, slice(width), inner)
    yield from _norm(layer.feed_forward_norm, source.feed_forward_norm, slice(width))


def _linear(linear: nn.Linear, source: nn.Linear, rows: slice, columns: slice) -> Iterator[Part]:
    yield linear.weight, source.weight[rows, columns]
    yield linear.bias, source.bias[rows]


def _norm(norm: nn.LayerNorm, source: nn.LayerNorm, across: slice) -> Iterator[Part]:
    yield norm.weight, source.weight[across]
    yield norm.bias, source.bias[across]
