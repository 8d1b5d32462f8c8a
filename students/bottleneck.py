"""What a MobileBERT or IB-BERT takes over from a BERT of its own width: the embeddings and the head."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from students.anatomy import Anatomy

SUMS = 4096
"""Random words in random places that a norm without statistics is fitted on."""


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
    encoder: Any = student.base_model
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
    _fit_norm(table.LayerNorm, teacher, places, table.token_type_embeddings.weight[0])
    pooler = getattr(encoder, "pooler", None)
    first = teacher.head[0] if len(teacher.head) > 1 else None
    if pooler is not None and pooler.do_activate and first is not None and first.activation == "tanh":
        pooler.dense.load_state_dict(first.linear.state_dict())
    last, classifier = teacher.head[-1] if teacher.head else None, getattr(student, "classifier", None)
    if last is not None and classifier is not None and classifier.weight.shape == last.linear.weight.shape:
        classifier.load_state_dict(last.linear.state_dict())
    return True


def _fit_norm(norm: nn.Module, teacher: Anatomy, places: Tensor, kind: Tensor) -> None:
    """Copy a layer norm; give one without statistics the scale and shift that come nearest to it."""
    if isinstance(norm, nn.LayerNorm):
        norm.load_state_dict(teacher.embedding_norm.state_dict())
        return
    generator = torch.Generator().manual_seed(0)
    words = teacher.word_embeddings.weight
    drawn = torch.randint(len(words), (SUMS,), generator=generator)
    sums = words[drawn] + places[torch.randint(len(places), (SUMS,), generator=generator)] + kind
    wanted = teacher.embedding_norm(sums)
    centred = sums - sums.mean(0)
    scale = (centred * wanted).mean(0) / centred.pow(2).mean(0).clamp_min(1e-12)
    plain: Any = norm
    plain.weight.copy_(scale)
    plain.bias.copy_(wanted.mean(0) - scale * sums.mean(0))
