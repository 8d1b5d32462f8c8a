"""Trained models whose word table is made of two factors (`pocketbert.factorised`), and how such a table starts."""

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit
from pocketbert.factorised import FIELD, FactorisedEmbedding, shape_table
from students.architecture import FAMILIES

RARER = 0.9


def factorise(model: PreTrainedModel, embedding: int, counts: Tensor | None = None) -> PreTrainedModel:
    """Return a copy of a trained model with its word table in two factors.

    Args:
        model: bert, roberta, electra or distilbert, an encoder or with any head but a language one.
        embedding: width of the narrow table, up to the whole one's.
        counts: how often a task's text has each piece, of the first rows of a table that has more; None: all count the
            same.

    Raises:
        DoesNotFit: another family, a width that is none, a language model, or a table in factors already.
    """
    table: Any = model.get_input_embeddings()
    if model.config.model_type not in FAMILIES:
        raise DoesNotFit(f"a {model.config.model_type} model can't be factorised: only {', '.join(FAMILIES)} can.")
    if isinstance(table, FactorisedEmbedding):
        raise DoesNotFit(f"the word table is in two factors already, {table.embedding_dim} wide: take the whole model.")
    if not 1 <= embedding <= table.embedding_dim:
        raise DoesNotFit(f"embedding={embedding}: the word table is {table.embedding_dim} wide: take 1 to that.")
    result: PreTrainedModel = copy.deepcopy(model)
    setattr(result.config, FIELD, embedding)
    shape_table(result)
    write_words(result.get_input_embeddings(), table.weight.detach(), counts)
    result.eval()
    return result


@torch.no_grad()
def write_words(embedding: Any, table: Tensor, counts: Tensor | None = None) -> None:  # noqa: ANN401  (either kind)
    """Write a table [pieces, width] to word embeddings, whole or in two factors."""
    if not isinstance(embedding, FactorisedEmbedding):
        embedding.weight.copy_(table)
        return
    basis = directions(table, embedding.embedding_dim, counts)
    embedding.weight.copy_(table @ basis)
    embedding.projection.weight.copy_(basis)


def whole_table(embedding: Any) -> Tensor:  # noqa: ANN401  (either kind)
    """Return the table [pieces, width] that word embeddings, whole or in two factors, stand for."""
    table: Tensor = embedding.weight
    return table @ embedding.projection.weight.T if isinstance(embedding, FactorisedEmbedding) else table


def directions(table: Tensor, count: int, counts: Tensor | None = None) -> Tensor:
    """Return orthonormal directions [width, count], in which a table [pieces, width] keeps most of its rows.

    They are the truncated singular value decomposition's of the rows, weighted by how often each piece is used, plus
    one, to the power of 0.9: so that rare pieces count a little more than they are used (LOG.md).
    """
    rows = table.double()
    often = torch.zeros(len(rows), dtype=torch.double)
    if counts is not None:
        often[: len(counts)] = counts
    weights = (often + 1) ** RARER
    vectors: Tensor = torch.linalg.eigh(rows.T @ (rows * weights.to(rows)[:, None])).eigenvectors
    return vectors.flip(1)[:, :count].to(table.dtype)
