"""A corpus as token ids on disk: written once, and read through a memory map, so it may be larger than memory."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

from distill.corpus.texts import Texts
from distill.data.apidocs import default_cache_folder
from pocketbert.errors import UserError
from pocketbert.files import fingerprint

TEXTS_A_BATCH = 1000
ROWS_A_BATCH = 4096
LONGEST_TEXT = 100_000  # characters; what is longer is cut into several texts
EVALUATION_SHARE = 100  # every hundredth text
EVALUATION, TRAIN = "evaluation", "train"
Item = TypeVar("Item")
SCHEMA = pa.schema({"input_ids": pa.list_(pa.int32()), "length": pa.int32()})


@dataclass(frozen=True)
class Corpus:
    """A tokenised corpus.

    Attributes:
        name: short, for titles.
        train: columns `input_ids` (special tokens included) and `length`.
        evaluation: the same, of other texts.
        message: where it came from.
        fingerprint: stands for texts, tokenizer, length and packing.
    """

    name: str
    train: Dataset
    evaluation: Dataset
    message: str
    fingerprint: str


def tokenised(
    texts: Texts, tokenizer: PreTrainedTokenizerBase, length: int, *, packed: bool, cache_dir: Path | None = None
) -> Corpus:
    """Return a corpus from the cache, or tokenise it into the cache.

    Args:
        texts: of the corpus.
        tokenizer: a fast tokenizer.
        length: tokens of a row at most, special ones included.
        packed: texts are put one after another and cut into rows of just `length` tokens; else every row is of one
            text.
        cache_dir: holds the files; the same folder as for `apidocs` by default.

    Raises:
        UserError: the corpus has too little text.
    """
    key = fingerprint([texts.fingerprint, tokenizer.backend_tokenizer.to_str(), length, packed])
    folder = (cache_dir or default_cache_folder()) / f"corpus-{key}"
    message = f"corpus {texts.name}: read from {folder}."
    if not folder.is_dir():
        _write(texts, _Rows(tokenizer, length, packed), folder)
        message = f"corpus {texts.name}: tokenised and kept in {folder}."
    train, evaluation = (Dataset.from_file(str(folder / f"{part}.arrow")) for part in (TRAIN, EVALUATION))
    return Corpus(texts.name, train, evaluation, message, key)


def _write(texts: Texts, rows: "_Rows", folder: Path) -> None:
    """Write both parts in a folder beside, and rename it when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        counts = dict.fromkeys((TRAIN, EVALUATION), 0)
        for part in counts:
            counts[part] = _write_part(rows.of(_part(texts, part)), partial / f"{part}.arrow")
        if not all(counts.values()):
            raise UserError(
                f"corpus {texts.name} has too little text: {counts[TRAIN]} rows for training and {counts[EVALUATION]} "
                "for evaluation. Every hundredth text is for evaluation, so some hundred are needed."
            )
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _part(texts: Texts, part: str) -> Iterator[str]:
    """Yield the texts of one part, which a hash of the text decides on."""
    wanted = part == EVALUATION
    for text in tqdm(texts.read(), desc=f"tokenising: {part}", unit=" texts", mininterval=1):
        if (_hash(text) % EVALUATION_SHARE == 0) == wanted:
            yield from (text[start : start + LONGEST_TEXT] for start in range(0, len(text), LONGEST_TEXT))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _write_part(rows: Iterable[Sequence[int]], file: Path) -> int:
    count = 0
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        for some in _batches(rows, ROWS_A_BATCH):
            ids, lengths = pa.array(some, SCHEMA.field("input_ids").type), [len(row) for row in some]
            writer.write_batch(pa.record_batch([ids, pa.array(lengths, pa.int32())], schema=SCHEMA))
            count += len(some)
    return count


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while some := list(islice(source, size)):
        yield some


class _Rows:
    """Makes rows of token ids out of texts."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, length: int, packed: bool) -> None:
        self._tokenizer, self._packed = tokenizer, packed
        self._before, self._after = _special_ids(tokenizer)
        self._room = length - len(self._before) - len(self._after)

    def of(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """Yield rows with special tokens around them."""
        for ids in self._stream(texts) if self._packed else self._pieces(texts):
            yield [*self._before, *ids, *self._after]

    def _stream(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """Yield just filled rows of texts put one after another, the closing token between them; the rest is lost."""
        waiting: list[int] = []
        for ids in self._ids(texts):
            waiting += [*ids, *self._after]
            whole = len(waiting) // self._room * self._room
            yield from (waiting[start : start + self._room] for start in range(0, whole, self._room))
            waiting = waiting[whole:]

    def _pieces(self, texts: Iterable[str]) -> Iterator[list[int]]:
        for ids in self._ids(texts):
            yield from (ids[start : start + self._room] for start in range(0, len(ids), self._room))

    def _ids(self, texts: Iterable[str]) -> Iterator[list[int]]:
        for some in _batches(texts, TEXTS_A_BATCH):
            yield from self._tokenizer(
                some,
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return what a tokenizer puts before and after a text."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    start = next(place for place in range(len(whole)) if whole[place : place + len(plain)] == plain)
    return whole[:start], whole[start + len(plain) :]
