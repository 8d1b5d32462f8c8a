import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM

from distill.augmentation.neighbours import embedding_neighbours, file_neighbours
from distill.augmentation.words import Word, find_words, replacements_of
from pocketbert.errors import UserError
from tests.conftest import tiny_bert


def _word(text, *pieces):
    return Word(text, 0, len(text), 1, pieces)


def test_a_word_of_several_pieces_is_their_mean(tokenizer):
    torch.manual_seed(0)
    model, words = BertForMaskedLM(tiny_bert(layers=1).config), replacements_of(tokenizer)
    word = find_words(["unhappy"], tokenizer, 16)[0].words[0]
    (found,) = embedding_neighbours(model, words, 4).find([word])
    table = model.get_input_embeddings().weight.detach().numpy().astype(np.float64)
    mean = table[list(word.pieces)].mean(0)
    cosine = {
        name: table[number] @ mean / np.linalg.norm(table[number]) / np.linalg.norm(mean)
        for number, name in zip(words.ids.tolist(), words.words, strict=True)
    }
    assert list(found) == sorted(cosine, key=cosine.get, reverse=True)[:4]


@pytest.mark.parametrize("header", ["", "6 2\n"])
def test_a_file_of_vectors(tmp_path, header):
    file = tmp_path / "vectors.txt"
    file.write_text(f"{header}good 1 0\ngreat .9 .1\n. . . 0 -1\n<unk> 1 0\npoor 0 -1\nbad -1 0\n")
    found = file_neighbours(file, 2).find([_word("Good", 7), _word("nowhere", 8), _word("bad", 9)])
    assert found == [("Great", "Poor"), (), ("poor", "great")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no line begins with a word"),
        (b"3 1\n1 2\n", "no line begins with a word"),
        (b"good 1 0\nbad 1 nan\n", "line 2: .*not finite"),
        (b"good 1 0\nbad 1\n", "line 2: .*1 numbers instead of 2"),
        (b"good\n", "line 1: .*no numbers"),
        (b"good a b\n", "line 1: a word and its numbers"),
        (b"good 1 0\n\xff 1 0\n", "line 2: not UTF-8"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path, content, message):
    (tmp_path / "vectors.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        file_neighbours(tmp_path / "vectors.txt", 2)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="no file or folder"):
        file_neighbours(tmp_path / "nothing.txt", 2)
