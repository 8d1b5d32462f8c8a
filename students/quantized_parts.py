"""Which layers of a model are computed in integers: those of the encoder, and no head."""

from torch import nn
from transformers import PreTrainedModel


def encoder_linears(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """Return the encoder's linear layers by their names in the model; a layer that is shared comes once.

    Heads and poolers are left out: they are tiny, they decide, and exported files keep them in float32.
    """
    encoder = model.base_model
    pooler = getattr(encoder, "pooler", None)
    left_out = {id(module) for module in pooler.modules()} if isinstance(pooler, nn.Module) else set[int]()
    inside = {id(module) for module in encoder.modules()} - left_out
    return {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Linear) and id(module) in inside
    }
