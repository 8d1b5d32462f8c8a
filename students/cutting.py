"""A student cut out of its teacher: the strongest dimensions, heads and neurons, repaired layer by layer.

Every point of the residual stream keeps the same dimensions of the teacher. The student is then built from its
embeddings upwards; each linear layer starts as the teacher's, cut, and is changed by ridge regression so that, on what
the student so far really computes for real text, it gives what the teacher computes there. The feed-forward output
before a skipped layer aims at what the teacher has after it, and so takes over what a linear map can of that layer.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from pocketbert.errors import DoesNotFit
from students.anatomy import Anatomy, Layer
from students.classification_head import fit_head
from students.factorised import write_words
from students.forward import LayerStates, Texts, attend, counts_of, embed, embedding_sum, run_layer
from students.language_head import fit_language_head
from students.principal import components
from students.regression import fit_linear
from students.selection import HeadReduction, heads, layer_importance, neurons, reduce_head, strongest
from students.tables import tables_for


def check_cut(student: Anatomy, teacher: Anatomy) -> None:
    """Raise DoesNotFit unless the student is at most as large as its teacher in everything that is cut."""
    ours, theirs = _widths(student, max), _widths(teacher, min)
    larger = [name for name in ours if ours[name] > theirs[name]]
    if larger:
        name = larger[0]
        raise DoesNotFit(
            f"the student's {name} is {ours[name]} and its teacher's only {theirs[name]}: it cannot be cut out."
        )
    if student.activation != teacher.activation:
        raise DoesNotFit(f"the student computes with {student.activation} and its teacher with {teacher.activation}.")
    if student.embedding_projection is None and teacher.embedding_projection is not None:
        raise DoesNotFit("the teacher has narrow embeddings with a projection, and the student has none.")
    if student.language_head is not None and _factorised(student, teacher):
        raise DoesNotFit("a language model's embeddings can't be made narrower, since they are its head, too.")


def _widths(parts: Anatomy, of_layers: Callable[[Iterable[int]], int]) -> dict[str, int]:
    """Return the sizes that are cut, of layers that differ the largest or the smallest."""
    return {
        "number of layers": len(parts.layers),
        "width": parts.hidden,
        "number of heads": of_layers(layer.heads for layer in parts.layers),
        "head size": of_layers(layer.head_size for layer in parts.layers),
        "feed-forward width": of_layers(layer.feed_forward_in.out_features for layer in parts.layers),
        "embedding width": parts.position_embeddings.embedding_dim,
    }


@torch.no_grad()
def cut(student: Anatomy, teacher: Anatomy, texts: Texts, layers: Sequence[int]) -> None:
    """Write to the student what is cut out of its teacher.

    Args:
        student: the model that is written.
        teacher: the model that it imitates, in evaluation mode.
        texts: real text; some ten thousand tokens leave little to chance.
        layers: the teacher's layer for each of the student's.

    Raises:
        DoesNotFit: see `check_cut`.
    """
    check_cut(student, teacher)
    if sorted(set(layers)) != list(layers):
        raise DoesNotFit(f"the layers {list(layers)} cannot be cut: each must be later than the one before it.")
    inputs, importance = _teacher_pass(teacher, texts)
    kept = strongest(importance, student.hidden)
    hidden = _embeddings(student, teacher, texts, kept)
    ends = [*layers[1:], len(teacher.layers)]
    for layer, source, end in zip(student.layers, layers, ends, strict=True):
        last, aim = teacher.layers[end - 1], None
        if end > source + 1:
            aim = run_layer(last, teacher.activation, inputs[end - 1], texts).feed_forward_sum
        states = run_layer(teacher.layers[source], teacher.activation, inputs[source], texts)
        middle = _attention(layer, teacher.layers[source], states, texts, hidden, kept)
        target = (last, states.feed_forward_sum if aim is None else aim)
        before = states.before_activation
        del states  # with the widest of what is held at once
        hidden = _feed_forward(layer, teacher.layers[source], before, target, teacher.activation, middle, kept)
    fit_head(student, teacher, hidden[texts.first], inputs[-1][texts.first], kept)
    fit_language_head(student, teacher, hidden, inputs[-1], kept)


def _teacher_pass(teacher: Anatomy, texts: Texts) -> tuple[list[Tensor], Tensor]:
    """Return the input of every layer, with the last layer's result, and the importance of each dimension [H]."""
    hidden = embed(teacher, texts)
    inputs, importance = [hidden], hidden.new_zeros(teacher.hidden)
    for layer in teacher.layers:
        states = run_layer(layer, teacher.activation, hidden, texts)
        importance += layer_importance(layer, hidden, states)
        hidden = states.result
        inputs.append(hidden)
    if teacher.head:
        importance += hidden[texts.first].var(0) * teacher.head[0].linear.weight.square().sum(0)
    return inputs, importance


def _embeddings(student: Anatomy, teacher: Anatomy, texts: Texts, kept: Tensor) -> Tensor:
    """Write the lookup tables, their normalisation and projection; return the student's first hidden state."""
    if _factorised(student, teacher):
        return _factors(student, teacher, texts, kept)
    projection = student.embedding_projection
    columns = kept if projection is None else torch.arange(teacher.position_embeddings.embedding_dim)
    tables = tables_for(student, teacher)
    write_words(student.word_embeddings, tables.word[:, columns], counts_of(texts, len(tables.word)))
    student.position_embeddings.weight.copy_(tables.position[:, columns])
    if student.token_type_embeddings is not None and tables.token_type is not None:
        student.token_type_embeddings.weight.copy_(tables.token_type[:, columns])
    _restrict(student.embedding_norm, teacher.embedding_norm, columns)
    if projection is not None and teacher.embedding_projection is not None:
        projection.weight.copy_(teacher.embedding_projection.weight[kept])
        projection.bias.copy_(teacher.embedding_projection.bias[kept])
    return embed(student, texts)


def _factorised(student: Anatomy, teacher: Anatomy) -> bool:
    """Tell whether the student's table is narrower than its teacher's, with a projection behind it."""
    widths = (parts.position_embeddings.embedding_dim for parts in (student, teacher))
    return student.embedding_projection is not None and len(set(widths)) > 1


def _factors(student: Anatomy, teacher: Anatomy, texts: Texts, kept: Tensor) -> Tensor:
    """Write narrow lookup tables and the projection behind them; return the student's first hidden state.

    The tables are the teacher's in the directions in which its embeddings vary most on real text; the projection is
    fitted to what the teacher computes from its own.
    """
    projection, tables = student.embedding_projection, tables_for(student, teacher)
    assert projection is not None  # noqa: S101  (see `_factorised`)
    basis = components(embedding_sum(teacher, texts), student.position_embeddings.embedding_dim)
    student.word_embeddings.weight.copy_(tables.word @ basis)
    student.position_embeddings.weight.copy_(tables.position @ basis)
    if student.token_type_embeddings is not None and tables.token_type is not None:
        student.token_type_embeddings.weight.copy_(tables.token_type @ basis)
    narrow = student.embedding_norm(embedding_sum(student, texts))
    nothing = torch.zeros_like(projection.weight), torch.zeros_like(projection.bias)
    fit_linear(projection, *nothing, narrow, embed(teacher, texts)[:, kept])
    return embed(student, texts)


def _attention(layer: Layer, source: Layer, states: LayerStates, texts: Texts, hidden: Tensor, kept: Tensor) -> Tensor:
    """Write one layer's attention and its normalisation; return what the feed-forward block reads."""
    chosen = heads(source, states, layer.heads)
    maps = _head_maps(layer, source, states, chosen, kept)
    for linear, whole, target, reduce in (
        (layer.query, source.query, states.query, [head.query for head in maps]),
        (layer.key, source.key, states.key, [head.key for head in maps]),
        (layer.value, source.value, states.value, [head.value for head in maps]),
    ):
        reduction = _block_map(reduce, chosen, source.heads)
        weight, bias = reduction @ whole.weight[:, kept], reduction @ whole.bias
        fit_linear(linear, weight, bias, hidden, target @ reduction.T)
    query, key, value = layer.query(hidden), layer.key(hidden), layer.value(hidden)
    context = attend(query, key, value, layer.heads, texts.masks)
    restored = _block_map([head.output.T for head in maps], chosen, source.heads)
    weight, bias = source.output.weight[kept] @ restored.T, source.output.bias[kept]
    fit_linear(layer.output, weight, bias, context, states.attention_sum[:, kept] - hidden)
    _restrict(layer.attention_norm, source.attention_norm, kept)
    middle: Tensor = layer.attention_norm(hidden + layer.output(context))
    return middle


def _head_maps(
    layer: Layer, source: Layer, states: LayerStates, chosen: Sequence[int], kept: Tensor
) -> list[HeadReduction]:
    query, key, context = (x.unflatten(1, (source.heads, -1)) for x in (states.query, states.key, states.context))
    output = source.output.weight[kept].unflatten(1, (source.heads, -1))
    return [
        reduce_head(query[:, head], key[:, head], context[:, head], output[:, head], layer.head_size) for head in chosen
    ]


def _block_map(maps: Sequence[Tensor], chosen: Sequence[int], count: int) -> Tensor:
    """Return one matrix [chosen * d, count * D] that applies each [d, D] to its head of the teacher."""
    size, width = maps[0].shape
    whole = maps[0].new_zeros(len(chosen), size, count, width)
    for row, (head, part) in enumerate(zip(chosen, maps, strict=True)):
        whole[row, :, head] = part
    return whole.reshape(len(chosen) * size, count * width)


def _feed_forward(
    layer: Layer,
    source: Layer,
    before: Tensor,
    target: tuple[Layer, Tensor],
    activation: str,
    middle: Tensor,
    kept: Tensor,
) -> Tensor:
    """Write one layer's feed-forward block and its normalisation; return the layer's result.

    `before` holds the teacher's neurons before their activation. `target` is the teacher's layer whose result the
    student's should equal, `source` or the last skipped one after it, and that result before its normalisation.
    """
    chosen = neurons(source, before, activation, layer.feed_forward_in.out_features)
    inner, outer = source.feed_forward_in, source.feed_forward_out
    fit_linear(layer.feed_forward_in, inner.weight[chosen][:, kept], inner.bias[chosen], middle, before[:, chosen])
    active = ACT2FN[activation](layer.feed_forward_in(middle))
    last, ends = target
    missing = ends[:, kept] - middle
    fit_linear(layer.feed_forward_out, outer.weight[kept][:, chosen], outer.bias[kept], active, missing)
    _restrict(layer.feed_forward_norm, last.feed_forward_norm, kept)
    result: Tensor = layer.feed_forward_norm(middle + layer.feed_forward_out(active))
    return result


def _restrict(norm: nn.LayerNorm, source: nn.LayerNorm, kept: Tensor) -> None:
    norm.weight.copy_(source.weight[kept])
    norm.bias.copy_(source.bias[kept])
