import random

import numpy as np
import pytest
import torch
from tokenizers.processors import Sequence
from transformers import AutoTokenizer

from pocketbert.errors import DoesNotFit
from students.vocabulary import check_size, reading, smallest_vocabulary, take_over, trim
from tests.students.models import classifier
from tests.students.wordpieces import LETTERS, SPECIAL, wordpieces

WORDS = ["fine", "great", "un", "##like", "##ly", "dull", "æon"]
LEAST = len(SPECIAL) - 1 + 2 * len(LETTERS) + 1  # without unused0, with the word whose first letter is no piece


def counted(tokenizer, *texts):
    ids = [number for row in tokenizer(list(texts), add_special_tokens=False)["input_ids"] for number in row]
    return np.bincount(ids, minlength=len(tokenizer))


def test_the_pieces_used_most_stay_with_all_that_no_text_can_do_without():
    tokenizer = wordpieces(WORDS)
    trimmed = trim(tokenizer, counted(tokenizer, "fine fine fine", "unlikely dull dull"), LEAST + 2)
    vocabulary = trimmed.tokenizer.get_vocab()
    assert {"fine", "dull", "æon", "[CLS]", "[MASK]", "z", "##z"} <= set(vocabulary)
    assert not {"great", "un", "##like", "unused0"} & set(vocabulary)
    assert sorted(vocabulary.values()) == list(range(LEAST + 2))
    assert [tokenizer.convert_tokens_to_ids(piece) for piece in sorted(vocabulary, key=vocabulary.get)] == list(
        trimmed.kept
    )


@pytest.mark.parametrize("pair", [False, True])
def test_text_of_kept_pieces_is_read_as_before_and_other_text_in_letters(pair, tmp_path):
    tokenizer = wordpieces(WORDS, pair=pair)
    trimmed = trim(tokenizer, counted(tokenizer, "fine dull"), LEAST + 2)
    trimmed.tokenizer.save_pretrained(tmp_path)
    for ours in (trimmed.tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        for texts in (["fine"], ["dull fine xyz"], ["fine", "dull"]):
            before, after = tokenizer(*texts), ours(*texts)
            assert [trimmed.kept[number] for number in after["input_ids"]] == before["input_ids"]
            assert after["token_type_ids"] == before["token_type_ids"]
        assert ours.tokenize("great") == ["g", "##r", "##e", "##a", "##t"]
        assert [ours.pad_token_id, ours.unk_token_id, ours.cls_token_id] == [0, 1, 2]


def test_whatever_the_whole_vocabulary_reads_the_trimmed_one_reads():
    tokenizer, draw = wordpieces(WORDS), random.Random(0)
    trimmed = trim(tokenizer, np.zeros(len(tokenizer), int), LEAST).tokenizer
    for _ in range(300):
        word = "".join(draw.choices(LETTERS, k=draw.randint(1, 12)))
        assert "[UNK]" not in trimmed.tokenize(word)
        assert "".join(piece.removeprefix("##") for piece in trimmed.tokenize(word)) == word


def test_sizes_that_are_none_are_refused_with_the_least_and_the_most():
    tokenizer = wordpieces(WORDS)
    assert smallest_vocabulary(tokenizer) == LEAST
    with pytest.raises(DoesNotFit, match=rf"{LEAST}: take at least"):
        check_size(tokenizer, LEAST - 1)
    with pytest.raises(DoesNotFit, match=f"has {len(tokenizer)} pieces"):
        check_size(tokenizer, len(tokenizer) + 1)
    whole = trim(tokenizer, np.zeros(len(tokenizer), int), len(tokenizer))
    assert whole.tokenizer.get_vocab() == tokenizer.get_vocab()


def test_added_tokens_and_all_before_padding_stay():
    tokenizer = wordpieces(WORDS)
    tokenizer.add_tokens(["[NEW]"])
    trimmed = trim(tokenizer, np.zeros(len(tokenizer), int), LEAST + 1)
    assert trimmed.tokenizer.tokenize("[NEW]x") == ["[NEW]", "x"]
    tokenizer.pad_token = "[UNK]"  # behind unused0
    assert "unused0" in trim(tokenizer, np.zeros(len(tokenizer), int), LEAST + 2).tokenizer.get_vocab()


def test_closing_tokens_inside_a_sequence_get_their_new_numbers():
    tokenizer = wordpieces(WORDS)
    own = tokenizer.backend_tokenizer
    own.post_processor = Sequence([own.post_processor])
    trimmed = trim(tokenizer, np.zeros(len(tokenizer), int), LEAST)
    ids = trimmed.tokenizer("xy")["input_ids"]
    assert trimmed.tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "x", "##y", "[SEP]"]


def test_a_tokenizer_of_another_kind_is_refused_by_name(files):
    with pytest.raises(DoesNotFit, match="of the kind WordLevel, and only WordPiece"):
        check_size(AutoTokenizer.from_pretrained(files / "teacher"), 80)


@torch.no_grad()
@pytest.mark.parametrize("family", ["bert", "electra-narrow", "distilbert"])
def test_a_model_answers_the_same_to_text_of_kept_pieces(family):
    tokenizer = wordpieces(WORDS)
    model = classifier(family, pad_token_id=0, sep_token_id=4)
    trimmed = trim(tokenizer, counted(tokenizer, "fine dull"), LEAST + 2)
    own = reading(model, trimmed.kept)
    assert own.get_input_embeddings().weight.shape[0] == own.config.vocab_size == LEAST + 2
    assert own.config.sep_token_id == trimmed.tokenizer.sep_token_id == 3
    for step in range(2):
        inputs = [
            t(["fine", "dull fine by us"], padding=True, return_tensors="pt") for t in (tokenizer, trimmed.tokenizer)
        ]
        for each in inputs if family == "distilbert" else ():
            each.pop("token_type_ids")
        assert torch.equal(model(**inputs[0]).logits, own(**inputs[1]).logits), step
        for parameter in model.parameters():
            parameter.mul_(1.1)
        take_over(own, model, trimmed.kept)
