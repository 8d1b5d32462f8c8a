"""Noise on texts that were seen before: the teacher labels the changed text, so small data teaches more.

Tang et al. 2019 (arXiv:1903.12136) augment the text of a task for distillation: masked words, words of the same
part of speech, n-grams; TinyBERT (arXiv:1909.10351) replaces words by a masked-language model's. This is the
plainest form of it, without another model: tokens are exchanged for random tokens of the batch, anew in every
step. Gold labels of changed texts do not count, since the label may have changed with the text; so the gold labels'
loss, averaged over all rows of a batch, weighs that much less from then on.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from pocketbert.validation import Document


class Noise(Document):
    """How much of a batch is changed.

    Attributes:
        replaced: probability that a token of a changed row is exchanged; special tokens never are.
        share: probability that a row is changed.
        clean_epochs: passes over the rows before the first change; where there are rows for all steps, clean ones
            teach more.
    """

    replaced: Annotated[float, Field(gt=0, le=1)] = 0.2
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    clean_epochs: Annotated[int, Field(ge=0)] = 1


def add_noise(
    input_ids: Tensor, attention_mask: Tensor, special_ids: Sequence[int], noise: Noise
) -> tuple[Tensor, Tensor]:
    """Exchange some tokens of some rows for random ones of the same batch.

    Draws from the global generator, as dropout does, so a resumed training draws what the straight one draws.

    Args:
        input_ids: [B, L].
        attention_mask: [B, L], 1 for real tokens.
        special_ids: tokens that are neither exchanged nor put in.
        noise: how much.

    Returns:
        New ids [B, L], and which rows differ, [B] of bool.
    """
    special = torch.tensor(list(special_ids), device=input_ids.device, dtype=input_ids.dtype)
    ordinary = attention_mask.bool() & ~torch.isin(input_ids, special)
    rows = torch.rand(len(input_ids), 1, device=input_ids.device) < noise.share
    chosen = torch.rand(input_ids.shape, device=input_ids.device) < noise.replaced
    pool = input_ids[ordinary]
    if not len(pool):
        return input_ids, torch.zeros_like(rows[:, 0])
    drawn = pool[torch.randint(len(pool), input_ids.shape, device=input_ids.device)]
    noisy = torch.where(chosen & ordinary & rows, drawn, input_ids)
    return noisy, (noisy != input_ids).any(1)
