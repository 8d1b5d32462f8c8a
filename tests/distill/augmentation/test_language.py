import pytest
import torch
from transformers import BertForMaskedLM

from distill.augmentation import language
from distill.augmentation.language import LanguageCandidates
from distill.augmentation.words import find_words, replacements_of
from tests.conftest import tiny_bert

TEXTS = ["good film", "the very unhappy movie was bad .", "was bad", "the movie was very very good , the film was bad"]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return BertForMaskedLM(tiny_bert(layers=2).config).eval()


def _wanted(tokenizer):
    return [
        (text, word)
        for text in find_words(TEXTS, tokenizer, 32)
        for word in text.words
        if len(word.pieces) == 1
    ]  # fmt: skip


@torch.no_grad()
def test_candidates_are_the_likeliest_words_in_the_masked_place(model, tokenizer):
    words = replacements_of(tokenizer)
    wanted = _wanted(tokenizer)
    found = LanguageCandidates(model, tokenizer, words, 3).find(wanted)
    for (text, word), candidates in zip(wanted, found, strict=True):
        ids = list(text.ids)
        ids[word.place] = tokenizer.mask_token_id
        logits = model(input_ids=torch.tensor([ids])).logits[0, word.place]
        ordered = sorted(zip(words.ids.tolist(), words.words, strict=True), key=lambda pair: -float(logits[pair[0]]))
        assert list(candidates) == [name for _, name in ordered if name != word.text][:3]


def test_batches_change_nothing(model, tokenizer, monkeypatch):
    wanted, words = _wanted(tokenizer), replacements_of(tokenizer)
    together = LanguageCandidates(model, tokenizer, words, 4).find(wanted)
    monkeypatch.setattr(language, "TOKENS_A_BATCH", 1)
    assert LanguageCandidates(model, tokenizer, words, 4).find(wanted) == together


def test_batches_hold_every_row_once_and_few_enough_tokens(monkeypatch):
    monkeypatch.setattr(language, "TOKENS_A_BATCH", 20)
    lengths = [5, 9, 3, 20, 7, 7]
    batches = list(language._batches(lengths))
    assert sorted(number for batch in batches for number in batch) == list(range(6))
    assert all(len(batch) * max(lengths[number] for number in batch) <= 20 for batch in batches)


def test_no_words_need_no_model(model, tokenizer):
    assert LanguageCandidates(model, tokenizer, replacements_of(tokenizer), 3).find([]) == []
