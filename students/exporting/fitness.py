"""What of a model can't be shipped, told before anything is written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert.errors import UserError

LARGEST_HALF = 65504.0
"""The largest number in half precision."""


def check_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise UserError for weights that are no numbers, and for a tokenizer with ids that the model lacks."""
    for name, weight in model.named_parameters():
        if not bool(torch.isfinite(weight).all()):
            raise UserError(
                f"{name} of the {type(model).__name__} has numbers that are NaN or infinite: take another checkpoint."
            )
    table, last = cast(nn.Embedding, model.get_input_embeddings()), max(tokenizer.get_vocab().values())
    if last >= table.num_embeddings:
        raise UserError(
            f"the tokenizer has ids up to {last}, and the {type(model).__name__} has embeddings for "
            f"{table.num_embeddings}: they are "
            "not of one model; take the tokenizer it was trained with, or resize_token_embeddings."
        )


def check_precisions(model: PreTrainedModel, precisions: Iterable[str]) -> None:
    """Raise UserError if fp16 is wanted, and a matrix or a table has a number that half precision can't hold."""
    if "fp16" not in precisions:
        return
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            refuse_beyond_half(name, float(weight.detach().abs().max()))


def refuse_beyond_half(name: str, largest: float) -> None:
    """Raise UserError if a number is beyond half precision."""
    if largest > LARGEST_HALF:
        raise UserError(
            f"--precision fp16: {name} has a number of {largest:.3g}, and half precision ends at {LARGEST_HALF:g}: "
            "take fp32 or int8."
        )


def check_answers(model: PreTrainedModel, answers: Sequence[Mapping[str, npt.NDArray[np.float32]]]) -> None:
    """Raise UserError if PyTorch answers what is no number."""
    if not all(np.isfinite(values).all() for each in answers for values in each.values()):
        raise UserError(
            f"the {type(model).__name__} answers NaN or infinity to some of the texts: take another checkpoint."
        )
