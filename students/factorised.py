"""A word table in two factors, [pieces, E] and [E, width], as a property of any BERT-like model.

The words alone are projected, before positions and types are added and the sum is normalised, and so all else stays as
it is. ALBERT (Lan et al. 2020) and ELECTRA project after the norm; on a fine-tuned MiniLM this form kept more of the
model's answers at every width, and far more at the narrow ones.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit
from students.architecture import FAMILIES

FIELD = "word_embedding_size"
"""Of a configuration: the width of a table in two factors; without it the table is whole."""


class FactorisedEmbedding(nn.Embedding):
    """A narrow word table and the projection behind it; `weight` is the table, [pieces, E].

    Args:
        pieces: of the vocabulary.
        embedding: E.
        width: of what it gives.
        padding: the number of padding, whose row has no gradient; None: no such row.
        spread: standard deviation of what it gives at random.
    """

    def __init__(self, pieces: int, embedding: int, width: int, padding: int | None, spread: float = 0.02) -> None:
        super().__init__(pieces, embedding, padding_idx=padding)
        self.projection = nn.Linear(embedding, width, bias=False)
        nn.init.normal_(self.weight, std=spread)
        nn.init.normal_(self.projection.weight, std=embedding**-0.5)

    def forward(self, input: Tensor) -> Tensor:
        """Return the embeddings of some pieces, [..., width]."""
        result: Tensor = self.projection(super().forward(input))
        return result


def shape_table(model: PreTrainedModel) -> None:
    """Replace the word table by one in two factors, at random, where the configuration asks for it."""
    embedding = getattr(model.config, FIELD, None)
    if embedding is None:
        return
    if model.get_output_embeddings() is not None:
        raise DoesNotFit("a language model's word table can't be factorised: it is its head, too. Leave embedding out.")
    table: Any = model.get_input_embeddings()
    spread = getattr(model.config, "initializer_range", 0.02)
    with torch.device(table.weight.device):
        narrow = FactorisedEmbedding(table.num_embeddings, embedding, table.embedding_dim, table.padding_idx, spread)
    model.set_input_embeddings(narrow)


def factorise(model: PreTrainedModel, embedding: int, counts: Tensor | None = None) -> PreTrainedModel:
    """Return a copy of a trained model with its word table in two factors.

    Args:
        model: bert, roberta, electra or distilbert, an encoder or with any head but a language one.
        embedding: width of the narrow table, up to the whole one's.
        counts: how often a task's text has each piece, [pieces]; None: all count the same.

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

    They are the truncated singular value decomposition's of the rows, weighted by the root of how often each piece is
    used, plus one: so that those which the text lacks count a little.
    """
    rows = table.double()
    weights = torch.ones(len(rows)) if counts is None else (counts.double() + 1).sqrt()
    vectors: Tensor = torch.linalg.eigh(rows.T @ (rows * weights.to(rows)[:, None])).eigenvectors
    return vectors.flip(1)[:, :count].to(table.dtype)
