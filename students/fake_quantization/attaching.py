"""Makes a model's layers round, and undoes that."""

from typing import TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel

from pocketbert.errors import UserError
from pocketbert.factorised import FactorisedEmbedding
from students.fake_quantization.layers import QuantizedEmbedding, QuantizedFactorisedEmbedding, QuantizedLinear
from students.fake_quantization.settings import Settings
from students.quantized_parts import encoder_linears

Model = TypeVar("Model", bound=PreTrainedModel)
TABLES: dict[type[nn.Module], type[nn.Module]] = {
    nn.Embedding: QuantizedEmbedding,
    FactorisedEmbedding: QuantizedFactorisedEmbedding,
}
"""Word tables, and those that round."""


def attach(model: Model, settings: Settings | None = None) -> Model:
    """Make the encoder's linear layers, and the word embeddings, compute with int8's rounding; return the model.

    Names and values of its state stay, so checkpoints are loaded and saved as ever; the ranges are kept beside
    (`write_ranges`). Attention products, softmax, norms, activations, biases, the other embeddings and the head are
    float32, as they are in exported files. With gradient checkpointing a batch counts twice in the moving average.

    Args:
        model: a transformers model; it is changed.
        settings: default: per channel, and the paper's decay.

    Raises:
        UserError: it rounds already, or a layer is of a class of its own.
    """
    chosen = settings or Settings()
    if is_attached(model):
        raise UserError(f"this {type(model).__name__} is fake-quantised already: detach it first")
    linears, table = encoder_linears(model), model.get_input_embeddings()
    for name, linear in linears.items():
        if type(linear) is not nn.Linear:
            raise UserError(f"{name} is a {type(linear).__name__}, and only torch's Linear can be fake-quantised")
    for linear in linears.values():
        linear.__class__ = QuantizedLinear
        linear.register_buffer("largest_input", torch.zeros((), device=linear.weight.device), persistent=False)
        linear.has_range, linear.settings = False, chosen  # type: ignore[assignment]  # the class that it has now
    if chosen.embeddings and type(table) in TABLES:
        table.__class__ = TABLES[type(table)]
        table.settings = chosen  # type: ignore[assignment]  # the same
    return model


def detach(model: Model) -> Model:
    """Make the model's layers ordinary ones again; the weights keep what they learnt. Return the model."""
    for module in model.modules():
        if isinstance(module, QuantizedLinear):
            del module.largest_input, module.has_range, module.settings
            module.__class__ = nn.Linear  # type: ignore[assignment]  # the class that it had
        elif isinstance(module, tuple(TABLES.values())):
            del module.settings
            module.__class__ = next(plain for plain, rounds in TABLES.items() if rounds is type(module))
    return model


def is_attached(model: nn.Module) -> bool:
    """Tell whether a model's layers round."""
    return any(isinstance(module, QuantizedLinear) for module in model.modules())
