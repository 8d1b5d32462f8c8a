"""A word table in two factors, [pieces, E] and [E, width], as a property of any BERT-like model.

The words alone are projected, before positions and types are added and the sum is normalised, and so all else stays as
it is. ALBERT (Lan et al. 2020) and ELECTRA project after the norm; on a fine-tuned MiniLM this form kept more of the
model's answers at every width, and far more at the narrow ones.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit

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
        result: Tensor = self.projection(self.narrow(input))
        return result

    def narrow(self, input: Tensor) -> Tensor:
        """Return the rows of some pieces as they are in the table, [..., E]."""
        return super().forward(input)


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
