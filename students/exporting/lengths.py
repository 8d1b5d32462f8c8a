"""How long a text a model can read."""

from transformers import PreTrainedModel


def longest_text(model: PreTrainedModel) -> int | None:
    """Return the most tokens that the model's positions reach, or None where the configuration sets no end.

    Families like roberta count positions from the padding id + 1, so they lose those up to it.
    """
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    table = next((x for name, x in model.named_modules() if name.endswith("position_embeddings")), None)
    offset = getattr(table, "padding_idx", None)
    return positions if positions is None or offset is None else positions - offset - 1
