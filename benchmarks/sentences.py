"""Real sentences: read from a file, and as ids."""

import csv
from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert.errors import UserError
from students.exporting.deployment import encode

SENTENCE, LABEL = "sentence", "label"


def read_sentences(path: Path, most: int | None = None) -> list[str]:
    """Read a text a line, or the column `sentence` of a .tsv file with a header.

    Args:
        path: the file.
        most: how many to take from its beginning; None: all.

    Raises:
        UserError: it can't be read, or has no text.
    """
    if path.suffix == ".tsv":
        texts = [row[SENTENCE] for row in _table(path, (SENTENCE,))]
    else:
        texts = _content(path).splitlines()
    texts = [text.strip() for text in texts if text.strip()][:most]
    if not texts:
        raise UserError(f"{path} has no text: give a text a line, or a .tsv with a column '{SENTENCE}'.")
    return texts


def read_labelled(path: Path, most: int) -> tuple[list[str], list[int]]:
    """Read the columns `sentence` and `label` of the first rows of a .tsv file; labels are 0 and 1.

    Raises:
        UserError: it can't be read, a column is missing, or the labels are others.
    """
    rows = _table(path, (SENTENCE, LABEL))[:most]
    if {row[LABEL] for row in rows} != {"0", "1"}:
        raise UserError(f"{path}: the labels of its first {most} rows must be 0 and 1, and both be there.")
    return [row[SENTENCE] for row in rows], [int(row[LABEL]) for row in rows]


def encoded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str], longest: int | None = None
) -> list[dict[str, list[int]]]:
    """Return sentences as ids with token types, which all versions of a model ask for.

    Args:
        model: tells how long a text may be.
        tokenizer: its own.
        sentences: of any length.
        longest: tokens of a text; a longer one keeps its last token, which closes it. None: as the model reads.
    """
    texts = []
    for text in encode(model, tokenizer, sentences):
        whole = {**text, "token_type_ids": text.get("token_type_ids", [0] * len(text["input_ids"]))}
        texts.append({name: _cut(ids, longest) for name, ids in whole.items()})
    return texts


def _cut(ids: list[int], longest: int | None) -> list[int]:
    return ids if longest is None or len(ids) <= longest else [*ids[: longest - 1], ids[-1]]


def _table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    rows = list(csv.DictReader(_content(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    for column in columns:
        if not rows or rows[0].get(column) is None:
            raise UserError(f"{path} has no column '{column}', or no row: give a .tsv with a header.")
    return rows


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as UTF-8 text ({error}).") from None
