"""Candidates for words of one piece: what a masked language model expects in their place."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from distill.activations import LOGITS, capture
from distill.augmentation.words import Replacements, Tokenised, Word, differing

TOKENS_A_BATCH = 4096


class LanguageCandidates:
    """Asks the model for many masked words at a time, the texts of a batch of about one length."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, replacements: Replacements, count: int
    ) -> None:
        """Take a masked language model, on the device it is to work on.

        Args:
            model: with a language head.
            tokenizer: the model's.
            replacements: the words that it may name.
            count: candidates of a word.
        """
        self._model, self._replacements, self._count = model.eval(), replacements, count
        self._mask, self._pad = int(tokenizer.mask_token_id), int(tokenizer.pad_token_id)

    @torch.inference_mode()
    def find(self, wanted: Sequence[tuple[Tokenised, Word]]) -> list[tuple[str, ...]]:
        """Return the candidates of each word, the likeliest first; the text's other words are seen."""
        found: list[tuple[str, ...]] = [()] * len(wanted)
        for numbers in _batches([len(text.ids) for text, _ in wanted]):
            words = [wanted[number][1] for number in numbers]
            logits = self._logits([wanted[number] for number in numbers])
            best = logits.topk(min(self._count + 1, logits.shape[1])).indices.tolist()
            for number, word, places in zip(numbers, words, best, strict=True):
                named = [self._replacements.words[place] for place in places]
                found[number] = differing(named, word.text, self._count)
        return found

    def _logits(self, batch: Sequence[tuple[Tokenised, Word]]) -> Tensor:
        """Return what the model says of the words that may stand in each masked place, [B, W]."""
        device = self._model.device
        rows = [torch.tensor(text.ids) for text, _ in batch]
        ids = pad_sequence(rows, batch_first=True, padding_value=self._pad)
        attention = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        places = torch.zeros_like(ids, dtype=torch.bool)
        places[torch.arange(len(batch)), torch.tensor([word.place for _, word in batch])] = True
        inputs = {"input_ids": ids.masked_fill(places, self._mask).to(device), "attention_mask": attention.to(device)}
        logits = capture(self._model, inputs, {LOGITS: None}, places.to(device)).logits
        return logits[:, self._replacements.ids.to(device)]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Return batches of row numbers of about one length, of `TOKENS_A_BATCH` tokens with their padding at most."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[number] > TOKENS_A_BATCH:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
