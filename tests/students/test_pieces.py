import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Whitespace
from transformers import AutoTokenizer, CanineTokenizer, PreTrainedTokenizerFast, XLMRobertaTokenizer

from pocketbert.errors import DoesNotFit
from students.pieces import pieces_of
from students.pieces.documents import document_of
from students.vocabulary import smallest_vocabulary, trim
from tests.students.subwords import KINDS, counted, lines, other_lines, tokenizer_of

SEEN = lines()[:200]


def read(tokenizer, text, kept=None):
    numbers = tokenizer(text)["input_ids"]
    return numbers if kept is None else [kept[number] for number in numbers]


@pytest.mark.parametrize("size", [None, 420])
@pytest.mark.parametrize("kind", KINDS)
def test_text_of_kept_pieces_is_read_as_before_in_every_kind(kind, size, tmp_path):
    whole = tokenizer_of(kind)
    trimmed = trim(whole, counted(whole, SEEN), size)
    trimmed.tokenizer.save_pretrained(tmp_path)
    again, kept = AutoTokenizer.from_pretrained(tmp_path), set(trimmed.kept)
    assert sorted(again.get_vocab().values()) == list(range(len(trimmed.kept)))
    assert len(trimmed.kept) == size if size else smallest_vocabulary(whole) < len(trimmed.kept) < len(whole)
    within = [text for text in (*SEEN, *other_lines()) if kept.issuperset(read(whole, text))]
    assert len(within) > 100
    assert size is not None or set(SEEN) <= set(within)
    for text in within:
        for ours in (trimmed.tokenizer, again):
            assert read(ours, text, trimmed.kept) == read(whole, text)
    assert type(trimmed.tokenizer) is type(whole)


@pytest.mark.parametrize("kind", ["roberta", "byte-fallback"])
def test_what_is_read_can_be_written_again_from_the_fewest_pieces(kind):
    whole = tokenizer_of(kind)
    least = trim(whole, np.zeros(len(whole), int), smallest_vocabulary(whole)).tokenizer
    unknown = least.unk_token_id
    for text in other_lines():
        assert unknown not in read(least, text)
        if kind == "roberta":
            assert least.decode(read(least, text), skip_special_tokens=True) == text


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_becomes_unknown_that_was_not(kind):
    whole = tokenizer_of(kind)
    least = trim(whole, np.zeros(len(whole), int), smallest_vocabulary(whole)).tokenizer
    for text in other_lines():
        before, after = (read(tokenizer, text) for tokenizer in (whole, least))
        assert after.count(least.unk_token_id) == before.count(whole.unk_token_id)


def byte_pairs(merges):
    pieces = ["<pad>", "<unk>", *"abcde", *dict.fromkeys("".join(pair) for pair in merges)]
    inner = Tokenizer(BPE({piece: number for number, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>")


def test_a_merged_piece_brings_all_that_it_passes_through():
    whole = byte_pairs([("a", "b"), ("c", "d"), ("ab", "cd"), ("d", "e"), ("abcd", "e")])
    trimmed = trim(whole, counted(whole, ["abcde"]), None)
    assert set(trimmed.tokenizer.get_vocab()) == {"<pad>", "<unk>", *"abcde", "ab", "cd", "abcd", "abcde"}
    assert trimmed.tokenizer.tokenize("abcde") == ["abcde"]
    assert trimmed.tokenizer.tokenize("de") == ["d", "e"]
    merges = document_of(trimmed.tokenizer)["model"]["merges"]
    assert merges == [["a", "b"], ["c", "d"], ["ab", "cd"], ["abcd", "e"]]


def test_a_piece_that_comes_two_ways_keeps_both():
    whole = byte_pairs([("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc"), ("c", "a")])
    pieces, numbers = pieces_of(document_of(whole)), whole.get_vocab()
    assert pieces.parts(numbers["abc"]) == {numbers[piece] for piece in ("a", "b", "c", "ab", "bc")}
    assert pieces.parts(numbers["a"]) == frozenset()


def test_a_piece_that_comes_with_too_many_waits_for_the_next():
    whole = byte_pairs([("a", "b"), ("ab", "c"), ("d", "e")])
    counts = np.zeros(len(whole), int)
    counts[whole.get_vocab()["abc"]], counts[whole.get_vocab()["de"]] = 9, 1
    least = smallest_vocabulary(whole)
    assert least == 7
    for more, pieces in ((1, {"de"}), (2, {"ab", "abc"}), (3, {"ab", "abc", "de"})):
        assert (
            set(trim(whole, counts, least + more).tokenizer.get_vocab()) - set("abcde") - {"<pad>", "<unk>"} == pieces
        )


def test_all_bytes_and_the_numbers_up_to_padding_stay():
    whole = tokenizer_of("roberta")
    least = trim(whole, np.zeros(len(whole), int), smallest_vocabulary(whole)).tokenizer
    assert set(ByteLevel.alphabet()) <= set(least.get_vocab())
    assert (least.pad_token_id, least.cls_token_id, len(least)) == (1, 0, 256 + 5)


def test_the_worst_piece_stays_since_the_unknown_score_by_it():
    whole = tokenizer_of("xlm-roberta")
    scores = dict(document_of(whole)["model"]["vocab"])
    least = trim(whole, np.zeros(len(whole), int), smallest_vocabulary(whole)).tokenizer
    assert min(scores, key=scores.get) in least.get_vocab()
    kept = dict(document_of(least)["model"]["vocab"])
    assert kept == {piece: scores[piece] for piece in kept}


def test_a_class_that_insists_on_a_number_of_the_unknown_gives_way():
    special = [(piece, 0.0) for piece in ("<s>", "<pad>", "ab", "<unk>", "</s>", "<mask>")]
    whole = XLMRobertaTokenizer(vocab=[*special, *((letter, -2.0) for letter in "\u2581abc")])
    trimmed = trim(whole, counted(whole, ["a b"]), None)
    assert "ab" not in trimmed.tokenizer.get_vocab()
    assert trimmed.tokenizer.tokenize("az") == ["\u2581", "a", "z"]
    assert read(trimmed.tokenizer, "az", trimmed.kept) == read(whole, "az") == [0, 6, 7, 3, 4]


def test_a_tokenizer_without_a_fast_form_is_refused_by_name():
    with pytest.raises(DoesNotFit, match="CanineTokenizer has no fast form"):
        smallest_vocabulary(CanineTokenizer())
