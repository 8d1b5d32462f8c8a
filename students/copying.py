"""A student that takes whole layers over from its teacher."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from pocketbert.errors import DoesNotFit
from students.anatomy import Anatomy, Layer
from students.classification_head import fit_head, same_head
from students.factorised import write_words
from students.forward import Texts, counts_of, embed, run_layer
from students.tables import tables_for


def check_copy(student: Anatomy, teacher: Anatomy) -> None:
    """Raise DoesNotFit unless all widths agree and the student is no deeper than its teacher."""
    ours, theirs = _widths(student), _widths(teacher)
    for name in ours:
        if ours[name] != theirs[name]:
            raise DoesNotFit(
                f"whole layers cannot be copied: the student's {name} is {ours[name]}, its teacher's {theirs[name]}."
            )
    if student.position_embeddings.embedding_dim != teacher.position_embeddings.embedding_dim:
        raise DoesNotFit("whole layers cannot be copied: the embeddings of student and teacher differ in width.")
    if len(student.layers) > len(teacher.layers):
        raise DoesNotFit(
            f"the student has {len(student.layers)} layers and its teacher only {len(teacher.layers)} to copy from."
        )


def _widths(parts: Anatomy) -> dict[str, str]:
    """Return what must agree; of layers that differ all their sizes."""

    def listed(sizes: Iterable[int]) -> str:
        return " or ".join(str(size) for size in sorted(set(sizes)))

    return {
        "width": str(parts.hidden),
        "number of heads": listed(layer.heads for layer in parts.layers),
        "head size": listed(layer.head_size for layer in parts.layers),
        "feed-forward width": listed(layer.feed_forward_in.out_features for layer in parts.layers),
        "activation": parts.activation,
    }


@torch.no_grad()
def copy(student: Anatomy, teacher: Anatomy, texts: Texts | None, layers: Sequence[int]) -> None:
    """Write the teacher's embeddings, the given layers and its head to the student.

    Args:
        student: the model that is written.
        teacher: the model that is copied.
        texts: real text, only needed where the two heads compute differently (DistilBERT from BERT): the student's is
            then fitted to the teacher's logits.
        layers: the teacher's layer for each of the student's.

    Raises:
        DoesNotFit: see `check_copy`.
    """
    check_copy(student, teacher)
    tables = tables_for(student, teacher)
    counts = None if texts is None else counts_of(texts, len(tables.word))
    write_words(student.word_embeddings, tables.word, counts)
    student.position_embeddings.weight.copy_(tables.position)
    if student.token_type_embeddings is not None and tables.token_type is not None:
        student.token_type_embeddings.weight.copy_(tables.token_type)
    _copy_module(student.embedding_norm, teacher.embedding_norm)
    if student.embedding_projection is not None and teacher.embedding_projection is not None:
        _copy_module(student.embedding_projection, teacher.embedding_projection)
    for layer, source in zip(student.layers, layers, strict=True):
        copy_layer(layer, teacher.layers[source])
    if student.language_head is not None and teacher.language_head is not None:
        _copy_module(student.language_head.dense, teacher.language_head.dense)
        _copy_module(student.language_head.norm, teacher.language_head.norm)
        student.language_head.bias.copy_(teacher.language_head.bias)
    if same_head(student, teacher):
        for step, source_step in zip(student.head, teacher.head, strict=True):
            _copy_module(step.linear, source_step.linear)
    elif texts is not None:
        kept = torch.arange(teacher.hidden)
        fit_head(student, teacher, _first_states(student, texts), _first_states(teacher, texts), kept)


def copy_layer(layer: Layer, source: Layer) -> None:
    """Copy one encoder layer."""
    for name in (
        "query", "key", "value", "output", "attention_norm", "feed_forward_in", "feed_forward_out", "feed_forward_norm",
    ):  # fmt: skip
        _copy_module(getattr(layer, name), getattr(source, name))


def _first_states(parts: Anatomy, texts: Texts) -> torch.Tensor:
    hidden = embed(parts, texts)
    for layer in parts.layers:
        hidden = run_layer(layer, parts.activation, hidden, texts).result
    return hidden[texts.first]


def _copy_module(module: nn.Module, source: nn.Module) -> None:
    module.load_state_dict(source.state_dict())
