"""A corpus as token ids on disk: written once, and read through a memory map, so it may be larger than memory."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import pyarrow as pa
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

from distill.corpus.texts import Texts
from distill.estimation import check_disk
from pocketbert.cache import cache_folder, unwritable
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, text_hash

TEXTS_A_BATCH, CHARACTERS_A_BATCH = 1000, 2_000_000
LONGEST_TEXT = 100_000  # characters; what is longer is cut into several texts
BYTES_A_CHARACTER = 1.2  # a token has 4 bytes, and stands for at least 3.5 characters of ordinary text
EVALUATION_SHARE = 100  # every hundredth text
EVALUATION, TRAIN = "evaluation", "train"
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
        tokenizer: a fast tokenizer that neither cuts nor pads by itself, as `load_tokenizer` returns it.
        length: tokens of a row at most, special ones included.
        packed: texts are put one after another and cut into rows of just `length` tokens (what is left at the end is
            dropped); else every row is of one text.
        cache_dir: holds the files; the same folder as for `apidocs` by default.

    Raises:
        UserError: the corpus has too little text, or the folder can't be written.
    """
    key = fingerprint([texts.fingerprint, tokenizer.backend_tokenizer.to_str(), length, packed])
    folder = (cache_dir or cache_folder()) / f"corpus-{key}"
    message = f"corpus {texts.name}: read from {folder}."
    parts = _read(folder)
    if parts is None:
        shutil.rmtree(folder, ignore_errors=True)
        _write(texts, tokenizer, length, packed, folder)
        message = f"corpus {texts.name}: tokenised and kept in {folder}."
        parts = _read(folder)
    if parts is None:
        raise UserError(f"the tokenised corpus in {folder} can't be read though it was just written: check that disk.")
    return Corpus(texts.name, *parts, message, key)


def _read(folder: Path) -> tuple[Dataset, Dataset] | None:
    """Return both parts, or None where they are not there or damaged."""
    try:
        train, evaluation = (Dataset.from_file(str(folder / f"{part}.arrow")) for part in (TRAIN, EVALUATION))
    except (OSError, pa.ArrowException):
        return None
    return train, evaluation


def _write(texts: Texts, tokenizer: PreTrainedTokenizerBase, length: int, packed: bool, folder: Path) -> None:
    """Write both parts in a folder beside, and rename it when it is whole."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(folder)
        check_disk(folder.parent, int(BYTES_A_CHARACTER * (texts.size or 0)), "the tokenised corpus", "XDG_CACHE_HOME")
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.{os.getpid()}."))
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise unwritable("the tokenised corpus", folder.parent, error) from None
    try:
        with ExitStack() as stack:
            parts = {
                name: stack.enter_context(_Part(partial / f"{name}.arrow", tokenizer, length, packed))
                for name in (TRAIN, EVALUATION)
            }
            bar = stack.enter_context(
                tqdm(total=texts.size, desc="tokenising", unit=" characters", unit_scale=True, mininterval=1)
            )
            for text in texts.read():
                bar.update(len(text) + 1)
                part = parts[EVALUATION if text_hash(text) % EVALUATION_SHARE == 0 else TRAIN]
                for start in range(0, len(text), LONGEST_TEXT):
                    part.add(text[start : start + LONGEST_TEXT])
        if not all(part.rows for part in parts.values()):
            raise UserError(
                f"corpus {texts.name} has too little text: {parts[TRAIN].rows} rows for training and "
                f"{parts[EVALUATION].rows} for evaluation. Every hundredth text is for evaluation, so some hundred "
                "different ones are needed."
            )
        _rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _remove_left_over(folder: Path) -> None:
    """Remove what runs that were killed while they tokenised the same corpus have left behind."""
    for partial in folder.parent.glob(f".{folder.name}.*"):
        owner = partial.name.removeprefix(f".{folder.name}.").partition(".")[0]
        if not (owner.isdigit() and psutil.pid_exists(int(owner))):
            shutil.rmtree(partial, ignore_errors=True)


def _rename(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another run has just written the same
            raise


class _Part:
    """Turns the texts of one part into rows of token ids in a file; a context, which writes the last of them."""

    def __init__(self, file: Path, tokenizer: PreTrainedTokenizerBase, length: int, packed: bool) -> None:
        self.rows = 0
        self._before, self._after = _special_ids(tokenizer)
        self._words, self._packed = tokenizer.backend_tokenizer, packed
        self._room = length - len(self._before) - len(self._after)
        self._texts: list[str] = []
        self._characters = 0
        self._open: list[int] = []  # tokens that do not fill a row yet
        self._sink = pa.OSFile(str(file), "wb")
        self._writer = pa.ipc.new_stream(self._sink, SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()
        self._sink.close()

    def add(self, text: str) -> None:
        """Take one more text."""
        self._texts.append(text)
        self._characters += len(text)
        if len(self._texts) == TEXTS_A_BATCH or self._characters >= CHARACTERS_A_BATCH:
            self._flush()

    def _flush(self) -> None:
        if not self._texts:
            return
        encoded = [encoding.ids for encoding in self._words.encode_batch_fast(self._texts, add_special_tokens=False)]
        self._texts, self._characters = [], 0
        pieces = self._stream(encoded) if self._packed else self._pieces(encoded)
        rows = [[*self._before, *piece, *self._after] for piece in pieces]
        ids, lengths = pa.array(rows, SCHEMA.field("input_ids").type), pa.array(map(len, rows), pa.int32())
        self._writer.write_batch(pa.record_batch([ids, lengths], schema=SCHEMA))
        self.rows += len(rows)

    def _stream(self, texts: Sequence[list[int]]) -> list[list[int]]:
        """Return just filled rows of texts put one after another, the closing token between them."""
        tokens = self._open + [token for ids in texts for token in (*ids, *self._after)]
        whole = len(tokens) // self._room * self._room
        self._open = tokens[whole:]
        return [tokens[start : start + self._room] for start in range(0, whole, self._room)]

    def _pieces(self, texts: Sequence[list[int]]) -> list[list[int]]:
        return [ids[start : start + self._room] for ids in texts for start in range(0, len(ids), self._room)]


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return what a tokenizer puts before and after a text."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    start = next(place for place in range(len(whole)) if whole[place : place + len(plain)] == plain)
    return whole[:start], whole[start + len(plain) :]
