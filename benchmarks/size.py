"""How large a model is: parameters, with and without its lookup tables, and bytes on disk by kind of file."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from pocketbert.errors import UserError

KINDS = {
    "weights": ("*.safetensors",),
    "onnx int8": ("*int8*.onnx",),
    "onnx": ("*.onnx",),
    "tokenizer": ("tokenizer*.json", "vocab.*", "merges.txt", "special_tokens_map.json", "*.model"),
    "configuration": ("*.json", "*.yaml"),
}
"""File-name patterns by kind; the first kind that fits counts, and what fits none is "other"."""


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


def bytes_by_kind(folder: Path) -> dict[str, int]:
    """Return the bytes of the files in a folder (not of folders in it) by kind.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    result: dict[str, int] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file():
            kind = _kind(path)
            result[kind] = result.get(kind, 0) + path.stat().st_size
    return result


def _kind(path: Path) -> str:
    fits = (kind for kind, patterns in KINDS.items() if any(path.match(pattern) for pattern in patterns))
    return next(fits, "other")
