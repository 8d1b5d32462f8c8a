"""What a MobileBERT or IB-BERT takes over from a teacher of its own width or form: the embeddings and the head."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from students.anatomy import Anatomy
from students.architecture import BOTTLENECKS

SUMS = 4096
"""Random words in random places that a norm without statistics is fitted on."""

TEXTS = 64
"""Texts that so many words are in, where neighbours count."""


@torch.no_grad()
def start_bottleneck(student: PreTrainedModel, teacher: Anatomy, basis: Tensor) -> bool:
    """Write positions, token types, the words' way to the hidden width, the embeddings' norm, and the head.

    Does nothing where the widths differ, and returns whether they agree. MobileBERT's paper copies embeddings and
    classifier of a teacher that has the same form; here the teacher's are wider, so the words are in their principal
    components and turned back, and a neighbour's word counts nothing at first.

    Args:
        student: of the family mobilebert or ib_bert; its word embeddings are written already.
        teacher: a BERT-like model.
        basis: what the teacher's word embeddings were turned by, [teacher's embedding width, student's].
    """
    encoder = _encoder(student)
    table = encoder.embeddings
    width = student.config.hidden_size
    if teacher.hidden != width or teacher.embedding_projection is not None:
        return False
    size = basis.shape[1]
    table.embedding_transformation.weight.zero_()
    table.embedding_transformation.bias.zero_()
    middle = slice(size, 2 * size) if student.config.trigram_input else slice(None)
    table.embedding_transformation.weight[:, middle] = basis
    offset, places = teacher.position_offset, table.position_embeddings.weight
    places.copy_(teacher.position_embeddings.weight[offset : offset + len(places)])
    types = teacher.token_type_embeddings
    if types is None:
        table.token_type_embeddings.weight.zero_()
    else:
        table.token_type_embeddings.weight.copy_(types.weight[torch.arange(2).clamp_max(len(types.weight) - 1)])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(teacher.word_embeddings.weight), (SUMS,), generator=generator)
    sums = teacher.word_embeddings.weight[drawn] + table.token_type_embeddings.weight[0]
    sums += places[torch.randint(len(places), (SUMS,), generator=generator)]
    _fit_norm(table.LayerNorm, teacher.embedding_norm, sums)
    pooler = getattr(encoder, "pooler", None)
    first = teacher.head[0] if len(teacher.head) > 1 else None
    if pooler is not None and pooler.do_activate and first is not None and first.activation == "tanh":
        pooler.dense.load_state_dict(first.linear.state_dict())
    last, classifier = teacher.head[-1] if teacher.head else None, getattr(student, "classifier", None)
    if last is not None and classifier is not None and classifier.weight.shape == last.linear.weight.shape:
        classifier.load_state_dict(last.linear.state_dict())
    return True


def same_form(student: PreTrainedModel, teacher: PreTrainedModel) -> bool:
    """Tell whether both have bottlenecks and embeddings of the same shapes, as MobileBERT and IB-BERT do."""
    if not {student.config.model_type, teacher.config.model_type} <= set(BOTTLENECKS):
        return False
    ours, theirs = ({name: table.shape for name, table in _tables(model).items()} for model in (student, teacher))
    return ours == theirs


@torch.no_grad()
def copy_embeddings(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Copy embeddings and head of a teacher of the same form, as MobileBERT's paper does (section 3.4)."""
    for name, table in _tables(student).items():
        table.copy_(_tables(teacher)[name])
    encoder, source = _encoder(student), _encoder(teacher)
    norm, generator = source.embeddings.LayerNorm, torch.Generator().manual_seed(0)
    ids = torch.randint(len(source.embeddings.word_embeddings.weight), (TEXTS, SUMS // TEXTS), generator=generator)
    source.embeddings.LayerNorm = nn.Identity()
    try:
        sums = source.embeddings(input_ids=ids[:, : source.config.max_position_embeddings]).flatten(0, 1)
    finally:
        source.embeddings.LayerNorm = norm
    _fit_norm(encoder.embeddings.LayerNorm, norm, sums)
    whole: Any = student
    theirs: Any = teacher
    for ours, other in ((encoder.pooler, source.pooler), *_heads(whole, theirs)):
        if ours is not None and other is not None and _shapes(ours) == _shapes(other):
            ours.load_state_dict(other.state_dict())


def _heads(student: Any, teacher: Any) -> list[tuple[nn.Module, nn.Module]]:  # noqa: ANN401  (any head)
    names = [name for name in ("classifier", "cls") if hasattr(student, name) and hasattr(teacher, name)]
    return [(getattr(student, name), getattr(teacher, name)) for name in names]


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


def _encoder(model: PreTrainedModel) -> Any:  # noqa: ANN401  (transformers' model of any family)
    return model.base_model


def _tables(model: PreTrainedModel) -> dict[str, Tensor]:
    """Return the parameters of the embeddings but for their norm."""
    named = _encoder(model).embeddings.named_parameters()
    return {name: parameter for name, parameter in named if not name.startswith("LayerNorm")}


def _fit_norm(norm: nn.Module, theirs: nn.Module, sums: Tensor) -> None:
    """Copy a norm of the same kind; else give one without statistics the scale and shift that come nearest to it.

    Args:
        norm: that is written.
        theirs: that it imitates.
        sums: what the norm sees, [N, H].
    """
    if type(norm) is type(theirs):
        norm.load_state_dict(theirs.state_dict())
        return
    wanted = theirs(sums)
    centred = sums - sums.mean(0)
    scale = (centred * wanted).mean(0) / centred.pow(2).mean(0).clamp_min(1e-12)
    plain: Any = norm
    plain.weight.copy_(scale)
    plain.bias.copy_(wanted.mean(0) - scale * sums.mean(0))
