import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from distill.losses import IGNORED_LABEL
from distill.masking import Masking, Vocabulary, mask_tokens, vocabulary_of
from pocketbert.errors import DoesNotFit

SIZE, MASK, SPECIAL = 1000, 4, (0, 1, 2, 3, 4)
WORDS = Vocabulary(MASK, SPECIAL, SIZE, torch.arange(SIZE) % 3 == 0)


def _batch(rows=200, length=50):
    ids = torch.randint(5, SIZE, (rows, length), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, -1] = 2, 3
    mask = torch.ones_like(ids)
    ids[: rows // 2, 40:], mask[: rows // 2, 40:] = 0, 0
    return ids, mask


def _masked(**settings):
    ids, mask = _batch()
    return ids, mask, *mask_tokens(ids, mask, WORDS, Masking(**settings), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("whole_words", [False, True])
def test_shares_are_the_papers(whole_words):
    ids, mask, new, labels = _masked(whole_words=whole_words)
    chosen = labels != IGNORED_LABEL
    ordinary = mask.bool() & (ids >= 5)
    assert chosen.sum() / ordinary.sum() == pytest.approx(0.15, abs=0.02)
    assert (new[chosen] == MASK).float().mean() == pytest.approx(0.8, abs=0.04)
    assert (new[chosen] == ids[chosen]).float().mean() == pytest.approx(0.1, abs=0.03)


def test_only_chosen_tokens_change_and_special_ones_never_do():
    ids, mask, new, labels = _masked()
    chosen = labels != IGNORED_LABEL
    assert torch.equal(new[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])
    assert not chosen[(ids < 5) | (mask == 0)].any()


def test_whole_words_are_hidden_together():
    ids, _, _, labels = _masked(whole_words=True)
    chosen = labels != IGNORED_LABEL
    inside = WORDS.continues[ids[:, 1:]] & (ids[:, 1:] >= 5) & (ids[:, :-1] >= 5)  # goes on with an ordinary token
    assert inside.any()
    assert torch.equal(chosen[:, 1:][inside], chosen[:, :-1][inside])


def test_words_of_byte_pairs_begin_with_their_text_too():
    """<s> T he Ġfilm </s> D e ĠF </s>: a text's first piece has no sign of its own."""
    continues = torch.tensor([True, True, True, True, False, True, True, False])
    vocabulary = Vocabulary(mask=8, special=(0, 1), size=8, continues=torch.cat([continues, torch.tensor([True])]))
    ids = torch.tensor([[0, 2, 3, 4, 1, 5, 6, 7, 1]])
    together = torch.zeros(9, 9)
    for seed in range(600):
        settings = Masking(probability=0.4, whole_words=True)
        labels = mask_tokens(ids, torch.ones_like(ids), vocabulary, settings, torch.Generator().manual_seed(seed))[1]
        chosen = (labels[0] != IGNORED_LABEL).float()
        together += chosen.outer(chosen)
    share = together / together.diagonal().clamp_min(1)
    assert share[1, 2] == share[2, 1] == share[5, 6] == 1, "the pieces of a word go together"
    for first, second in ((2, 3), (3, 5), (6, 7), (1, 7)):
        assert 0.3 < share[first, second] < 0.5, "two words do not"


def test_at_least_one_token_is_hidden():
    ids = torch.tensor([[2, 7, 3, 0]])
    for seed in range(20):
        settings = Masking(probability=0.001)
        labels = mask_tokens(ids, (ids > 0).long(), WORDS, settings, torch.Generator().manual_seed(seed))[1]
        assert labels.tolist() == [[IGNORED_LABEL, 7, IGNORED_LABEL, IGNORED_LABEL]]


@pytest.mark.parametrize(
    ("pieces", "continues"),
    [
        (["play", "##ing"], [False, True]),
        (["Ġplay", "ing"], [False, True]),
        (["▁play", "ing"], [False, True]),
        (["play", "ing"], [False, False]),
    ],
)
def test_what_goes_on_with_a_word(pieces, continues):
    words = ["[MASK]", *pieces]
    inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[MASK]"))
    found = vocabulary_of(PreTrainedTokenizerFast(tokenizer_object=inner, mask_token="[MASK]"))
    assert found.continues.tolist()[1:] == continues
    assert (found.mask, found.size) == (0, 3)


def test_a_tokenizer_without_a_mask_is_refused():
    inner = Tokenizer(WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(DoesNotFit, match="no mask token"):
        vocabulary_of(PreTrainedTokenizerFast(tokenizer_object=inner))
