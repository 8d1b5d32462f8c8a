"""Finds candidates for the words of texts: by a masked language model, and among word vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from distill.augmentation.copies import Replaceable
from distill.augmentation.language import LanguageCandidates
from distill.augmentation.neighbours import Neighbours, embedding_neighbours, file_neighbours
from distill.augmentation.settings import Augmentation
from distill.augmentation.words import Tokenised, Word, find_words, replacements_of
from pocketbert.devices import best_device, move
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, sha256
from students.building import usable_positions
from teachers.loading import load_teacher


@dataclass(frozen=True)
class Augmenter:
    """What finds the candidates.

    Attributes:
        tokenizer: tells words and pieces.
        length: tokens of a text that are read.
        language: for words of one piece; None where the model has no language head, and neighbours stand in.
        neighbours: for the others.
        message: what it is made of.
        fingerprint: stands for all that decides the candidates.
    """

    tokenizer: PreTrainedTokenizerBase
    length: int
    language: LanguageCandidates | None
    neighbours: Neighbours
    message: str
    fingerprint: str

    def candidates(self, texts: Sequence[str]) -> list[list[Replaceable]]:
        """Return each text's words with what may replace them."""
        tokenised = find_words(texts, self.tokenizer, self.length)
        words = [(text, word) for text in tokenised for word in text.words]
        asked = [self.language is not None and len(word.pieces) == 1 for _, word in words]
        found = iter(self._ask([pair for pair, yes in zip(words, asked, strict=True) if yes]))
        near = iter(self.neighbours.find([word for (_, word), yes in zip(words, asked, strict=True) if not yes]))
        chosen = iter([next(found) if yes else next(near) for yes in asked])
        return [[Replaceable(word.start, word.end, next(chosen)) for word in text.words] for text in tokenised]

    def _ask(self, words: Sequence[tuple[Tokenised, Word]]) -> list[tuple[str, ...]]:
        return self.language.find(words) if self.language is not None else []


def load_augmenter(settings: Augmentation, teacher: str, longest: int | None = None) -> Augmenter:
    """Load what the settings name.

    Args:
        settings: of the augmentation.
        teacher: name of the model to ask where the settings name none.
        longest: tokens of a text that will be read afterwards, so that words behind them need no candidates.

    Raises:
        UserError: a model or a file is missing or can't be read, or the model that was asked for has no language head.
    """
    name = settings.model or teacher
    source = load_teacher(name, "masked-lm", ())
    if settings.model and not source.ready:
        raise UserError(
            f"--augment-set model={name}: {source.reason}. Name a masked language model, such as bert-base."
        )
    model, replacements = source.model, replacements_of(source.tokenizer)
    file = None if settings.vectors is None else Path(settings.vectors).expanduser()
    near = (
        embedding_neighbours(model, replacements, settings.candidates)
        if file is None
        else file_neighbours(file, settings.candidates)
    )
    move(model, best_device())
    length = min(usable_positions(model.config), longest or usable_positions(model.config))
    asks = LanguageCandidates(model, source.tokenizer, replacements, settings.candidates) if source.ready else None
    where = "its embeddings" if file is None else str(file)
    how = f"words of one piece by {name}'s language head, the others by the nearest in {where}"
    if asks is None:
        how = (
            f"every word by the nearest in {name}'s embeddings"
            if file is None
            else f"every word by the nearest in {file}"
        )
        how += f" ({source.reason}; name a masked language model with --augment-set model=NAME)"
    content = None if file is None else sha256(file)
    return Augmenter(
        tokenizer=source.tokenizer,
        length=length,
        language=asks,
        neighbours=near,
        message=how,
        fingerprint=fingerprint([source.fingerprint, content, settings.candidates, length]),
    )
