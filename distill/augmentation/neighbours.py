"""Candidates for words of several pieces: their nearest neighbours among word vectors, by the cosine."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name)
from transformers import PreTrainedModel

from distill.augmentation.words import Replacements, Word, differing
from distill.data.folders import missing_path
from pocketbert.errors import UserError

MOST_VECTORS = 100_000  # as in TinyBERT's code: files begin with the most frequent words
WORDS_A_BATCH = 256
COUNTS = re.compile(rb"\d+ \d+\s*")


class Neighbours:
    """Word vectors to search in."""

    def __init__(self, words: Sequence[str], vectors: Tensor, count: int, pieces: Tensor | None = None) -> None:
        """Take the vectors.

        Args:
            words: that may be candidates, W of them.
            vectors: theirs, [W, D].
            count: candidates of a word.
            pieces: vectors of a tokenizer's pieces [V, D], whose mean stands for a word; without them a word's vector
                is the one in the table, and a word that is not there has no candidates.
        """
        self._words, self._table, self._count, self._pieces = tuple(words), F.normalize(vectors, dim=1), count, pieces
        self._places = {word: place for place, word in enumerate(self._words)} if pieces is None else {}
        self._known: dict[str, tuple[str, ...]] = {}

    def find(self, wanted: Sequence[Word]) -> list[tuple[str, ...]]:
        """Return the candidates of each word, the nearest first."""
        new = list({word.text: word for word in wanted if word.text not in self._known}.values())
        for start in range(0, len(new), WORDS_A_BATCH):
            self._learn(new[start : start + WORDS_A_BATCH])
        return [self._known[word.text] for word in wanted]

    def _learn(self, words: Sequence[Word]) -> None:
        vectors = [self._vector(word) for word in words]
        self._known |= {word.text: () for word in words}
        known = [(word, vector) for word, vector in zip(words, vectors, strict=True) if vector is not None]
        if not known:
            return
        cosines = F.normalize(torch.stack([vector for _, vector in known]), dim=1) @ self._table.T
        nearest = cosines.topk(min(self._count + 1, len(self._words))).indices.tolist()
        for (word, _), places in zip(known, nearest, strict=True):
            self._known[word.text] = differing([self._words[place] for place in places], word.text, self._count)

    def _vector(self, word: Word) -> Tensor | None:
        if self._pieces is not None:
            return self._pieces[list(word.pieces)].mean(0)
        place = self._places.get(word.text, self._places.get(word.text.lower()))
        return None if place is None else self._table[place]


def embedding_neighbours(model: PreTrainedModel, replacements: Replacements, count: int) -> Neighbours:
    """Search in a model's input embeddings."""
    weights = model.get_input_embeddings().get_parameter("weight").detach().float().cpu()
    return Neighbours(replacements.words, weights[replacements.ids], count, weights)


def file_neighbours(path: Path, count: int) -> Neighbours:
    """Search in a file of word vectors: a word and its numbers a line, as GloVe's are.

    A first line of two counts (word2vec's and fastText's) is passed over, and so is what is no word of letters.

    Raises:
        UserError: there is no such file, a line is not like the first one, or the file holds no words.
    """
    if not path.is_file():
        raise missing_path(path)
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    with path.open("rb") as stream:
        width = None
        for number, line in enumerate(islice(stream, MOST_VECTORS), start=1):
            if number == 1 and COUNTS.fullmatch(line):
                continue
            word, row = _parsed(line, width, f"word vectors {path}, line {number}")
            width = len(row)
            if word.isalpha():
                words.append(word)
                rows.append(row)
    if not words:
        raise UserError(f"word vectors {path}: no line begins with a word of letters.")
    return Neighbours(words, torch.from_numpy(np.stack(rows)), count)


def _parsed(line: bytes, width: int | None, where: str) -> tuple[str, NDArray[np.float32]]:
    try:
        parts = line.decode().rstrip().split(" ")
        cut = len(parts) - width if width else 1  # some of GloVe's words hold spaces
        if cut < 1 or len(parts) < 2:
            raise ValueError(f"{len(parts) - 1} numbers instead of {width}" if width else "no numbers")
        row = np.asarray(parts[cut:], dtype=np.float32)
        if not np.isfinite(row).all():
            raise ValueError("one of them is not finite")
    except UnicodeDecodeError:
        raise UserError(f"{where}: not UTF-8; save the file as UTF-8.") from None
    except ValueError as error:
        raise UserError(f"{where}: a word and its numbers, a space between them, are expected ({error}).") from None
    return " ".join(parts[:cut]), row
