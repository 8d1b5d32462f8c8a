"""Which columns hold the texts and the label: named by the user, or found by their names."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from distill.data.tables import Table
from pocketbert.errors import UserError

LABEL_NAMES = (
    *("label", "labels", "score", "target", "class", "category", "gold_label", "quality", "rating", "stars"),
    *("sentiment", "similarity", "intent", "emotion", "topic", "is_duplicate", "answer", "y"),
)
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "passage"),
    ("#1 string", "#2 string"),
)
TEXT_NAMES = (
    *("sentence", "text", "review", "comment", "content", "document", "tweet", "message", "utterance", "question"),
    *("title", "description"),
)
IDENTIFIERS = re.compile(r"^(id|idx|index|guid|uid|uuid|.*[_ #-]id|#\d id|)$")
ROWS_LOOKED_AT = 1000


@dataclass(frozen=True)
class Columns:
    """The columns taken.

    Attributes:
        texts: one or two.
        label: the label's.
        message: which were taken and why.
    """

    texts: tuple[str, ...]
    label: str
    message: str


def find_columns(table: Table, texts: Sequence[str] | None = None, label: str | None = None) -> Columns:
    """Return the text and label columns of a table.

    Args:
        table: the train rows.
        texts: names given by the user (one or two), or None to find them.
        label: the name given by the user, or None to find it.

    Raises:
        UserError: a named column is missing, or none can be found; the message lists what is there.
    """
    if texts is not None and not 1 <= len(set(texts)) == len(texts) <= 2:
        raise UserError(f"--text-column takes one column or two different ones, not {len(texts)}: {', '.join(texts)}.")
    named = [*(texts or ()), *([label] if label is not None else [])]
    require_columns(table, named)
    if label is not None and label in (texts or ()):
        raise UserError(f"column '{label}' can't be text and label at once: name another with --label-column.")
    label_found, label_why = (label, "named") if label is not None else _find_label(table, texts)
    texts_found, texts_why = (tuple(texts), "named") if texts else _find_texts(table, label_found)
    message = f"text: {_quoted(texts_found)} ({texts_why}); label: {_quoted([label_found])} ({label_why})."
    return Columns(texts_found, label_found, message)


def require_columns(table: Table, names: Sequence[str]) -> None:
    """Check that a table has the columns.

    Raises:
        UserError: one is missing; the message lists what is there.
    """
    for name in names:
        if name not in table.columns:
            near = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.6)
            advice = f" Did you mean '{near[0]}'?" if near else ""
            raise UserError(f"{table.name} has no column '{name}'; it has {_quoted(table.columns)}.{advice}")


def _find_label(table: Table, texts: Sequence[str] | None) -> tuple[str, str]:
    free = {name.lower(): name for name in reversed(table.columns) if name not in (texts or ())}
    for candidate in LABEL_NAMES:
        if candidate in free:
            return free[candidate], "by its name"
    others = [name for name in table.columns if name not in (texts or ()) and not _is_text(table, name)]
    others = [name for name in others if not IDENTIFIERS.match(name.lower())]
    if len(others) == 1:
        return others[0], "the only column that is not text"
    raise UserError(
        f"{table.name} has no column that is clearly the label; it has {_quoted(table.columns)}: name it with "
        "--label-column."
    )


def _find_texts(table: Table, label: str) -> tuple[tuple[str, ...], str]:
    free = {name.lower(): name for name in reversed(table.columns) if name != label}
    for first, second in PAIR_NAMES:
        if first in free and second in free:
            return (free[first], free[second]), "a pair, by their names"
    for candidate in TEXT_NAMES:
        if candidate in free:
            return (free[candidate],), "by its name"
    texts = tuple(name for name in table.columns if name != label and _is_text(table, name))
    if 1 <= len(texts) <= 2:
        return texts, "the only text" if len(texts) == 1 else "a pair, the only texts"
    found = f"{len(texts)} columns of text" if texts else "no column of text"
    raise UserError(f"{table.name} has {found}; it has {_quoted(table.columns)}: name one or two with --text-column.")


def _is_text(table: Table, name: str) -> bool:
    """Whether a column holds strings of more than one word and is no identifier."""
    column = table.data[name]
    if IDENTIFIERS.match(name.lower()) or not is_string(column.type):
        return False
    values = column.slice(0, ROWS_LOOKED_AT).drop_null()
    return len(values) > 0 and bool(pc.any(pc.match_substring_regex(values, r"\S\s+\S")).as_py())


def is_string(kind: pa.DataType) -> bool:
    """Whether an Arrow type is a string type."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
