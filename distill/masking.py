"""Masked language modelling: which tokens are hidden, and what stands in their place.

Devlin et al. 2019 (arXiv:1810.04805), section 3.1: of the tokens, 15 % are predicted; of these 80 % are replaced by
[MASK], 10 % by a random token, and 10 % stay. The choice is made anew in every step (RoBERTa's dynamic masking).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from distill.losses import IGNORED_LABEL
from pocketbert.errors import DoesNotFit
from pocketbert.validation import Document

HIDDEN, RANDOM = 0.8, 0.1


class Masking(Document):
    """How tokens are chosen.

    Attributes:
        probability: that a token (or a word) is to be predicted.
        whole_words: choose all pieces of a word together.
    """

    probability: Annotated[float, Field(gt=0, lt=1)] = 0.15
    whole_words: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """What masking must know of a tokenizer.

    Attributes:
        mask: id of the mask token.
        special: ids that are never predicted.
        size: ids are below it.
        continues: [size] of bool, the pieces that go on with the word before them.
    """

    mask: int
    special: tuple[int, ...]
    size: int
    continues: Tensor


def vocabulary_of(tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
    """Read a tokenizer's vocabulary.

    Raises:
        DoesNotFit: it has no mask token.
    """
    if tokenizer.mask_token_id is None:
        raise DoesNotFit("the model's tokenizer has no mask token, so its texts can't be masked: take another model.")
    pieces = [str(tokenizer.convert_ids_to_tokens(number)) for number in range(len(tokenizer))]
    return Vocabulary(
        mask=int(tokenizer.mask_token_id),
        special=tuple(tokenizer.all_special_ids),
        size=len(tokenizer),
        continues=torch.tensor(_continues(pieces)),
    )


def _continues(pieces: list[str]) -> list[bool]:
    if any(piece.startswith("##") for piece in pieces):  # WordPiece marks what goes on with a word
        return [piece.startswith("##") for piece in pieces]
    begins = next((sign for sign in ("Ġ", "▁") if any(piece.startswith(sign) for piece in pieces)), None)
    return [begins is not None and not piece.startswith(begins) for piece in pieces]  # the others mark its beginning


def mask_tokens(
    input_ids: Tensor,
    attention_mask: Tensor,
    vocabulary: Vocabulary,
    masking: Masking,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Hide some tokens.

    Draws from the global generator unless one is given, so a resumed training draws what the straight one draws.

    Args:
        input_ids: [B, L].
        attention_mask: [B, L], 1 for real tokens.
        vocabulary: the tokenizer's.
        masking: how tokens are chosen.
        generator: on the ids' device.

    Returns:
        New ids [B, L] and labels [B, L]: the hidden tokens' ids, -100 elsewhere. At least one token is hidden if there
        is an ordinary one.
    """
    device = input_ids.device

    def draw() -> Tensor:
        return torch.rand(input_ids.shape, generator=generator, device=device)

    special = torch.isin(input_ids, torch.tensor(vocabulary.special, device=device, dtype=input_ids.dtype))
    ordinary = attention_mask.bool() & ~special
    lots = draw()
    if masking.whole_words:
        lots = lots.gather(1, _words(~vocabulary.continues.to(device)[input_ids], special))
    chosen = ordinary & (lots < masking.probability)
    if not chosen.any():
        chosen = ordinary & (lots == lots.masked_fill(~ordinary, 2.0).min())
    fate, drawn = draw(), torch.randint(vocabulary.size, input_ids.shape, generator=generator, device=device)
    hidden = torch.where(fate < HIDDEN, vocabulary.mask, torch.where(fate < HIDDEN + RANDOM, drawn, input_ids))
    return torch.where(chosen, hidden, input_ids), torch.where(chosen, input_ids, IGNORED_LABEL)


def _words(begins: Tensor, special: Tensor) -> Tensor:
    """Return the number of each token's word in its row, [B, L].

    A text's first word begins after a special token, or with its row, whatever its first piece looks like.

    Args:
        begins: [B, L] of bool, pieces that begin a word by their looks.
        special: [B, L] of bool, tokens that are words of their own.
    """
    first = torch.ones_like(special[:, :1])
    return (begins | special | torch.cat([first, special[:, :-1]], dim=1)).cumsum(1) - 1
