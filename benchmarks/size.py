"""How large a model is: parameters, with and without its lookup tables."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Sizes:
    """Parameters of a model, each counted once however often it is used.

    Attributes:
        parameters: all of them, head included.
        embeddings: those in lookup tables (word, position and token-type embeddings).
    """

    parameters: int
    embeddings: int

    @property
    def without_embeddings(self) -> int:
        """Parameters that are multiplied with, not looked up."""
        return self.parameters - self.embeddings


def sizes(model: nn.Module) -> Sizes:
    """Count a model's parameters."""
    tables = {id(x.weight): x.weight.numel() for x in model.modules() if isinstance(x, nn.Embedding)}
    return Sizes(sum(x.numel() for x in model.parameters()), sum(tables.values()))
