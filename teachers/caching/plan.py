"""Which texts are kept, in which files, and what that takes; known before anything is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from teachers.caching.codes import CODES
from teachers.caching.parts import Integers, Part

SHARD_BYTES = 128_000_000
SCHEMA = 1


@dataclass(frozen=True)
class Plan:
    """A cache before it is written.

    Attributes:
        key: stands for teacher, tokens and truncation.
        parts: what is kept of each text.
        code: how, a name of `CODES`.
        lengths: of all texts, [N].
        order: numbers of the texts that are kept, the shortest first. Where not all have room, the long ones are left
            out: per byte a short text spares as much of the teacher's time, and more where pairs of tokens are kept.
        cuts: where the files begin in `order`, and its end.
    """

    key: str
    parts: tuple[Part, ...]
    code: str
    lengths: Integers
    order: Integers
    cuts: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return int(text_bytes(self.parts, self.code, self.lengths[self.order]).sum())

    @property
    def whole(self) -> bool:
        """Whether every text is kept."""
        return len(self.order) == len(self.lengths)

    @property
    def share(self) -> float:
        """How much of all tokens is kept."""
        return float(self.lengths[self.order].sum(dtype=np.int64) / self.lengths.sum(dtype=np.int64))

    def as_dict(self) -> dict[str, Any]:
        """Return what two caches of the same content have in common, as JSON holds it."""
        return {
            "schema": SCHEMA,
            "key": self.key,
            "parts": [asdict(part) | {"shape": list(part.shape)} for part in self.parts],
            "precision": self.code,
            "texts": len(self.lengths),
            "kept": len(self.order),
            "lengths": hashlib.sha256(self.lengths.astype("<i4").tobytes()).hexdigest()[:16],
            "cuts": list(self.cuts),
        }


def plan(key: str, parts: Sequence[Part], code: str, lengths: Integers, most_bytes: float) -> Plan:
    """Choose what is kept.

    Args:
        key: see `Plan`.
        parts: what is kept of each text.
        code: a name of `CODES`.
        lengths: tokens of each text.
        most_bytes: of all files together.
    """
    order = np.argsort(lengths, kind="stable")
    sizes = text_bytes(parts, code, lengths[order]).cumsum()
    order = order[: int(np.searchsorted(sizes, most_bytes, side="right"))]
    shards = sizes[: len(order)] // SHARD_BYTES
    starts = np.flatnonzero(np.diff(shards, prepend=-1))
    return Plan(key, tuple(parts), code, lengths, order, (*starts.tolist(), len(order)))


def text_bytes(parts: Sequence[Part], code: str, lengths: Integers) -> Integers:
    """Return the bytes of texts of these lengths, [N]."""
    sizes = [part.places.of(lengths) * CODES[code].bytes(part.width) for part in parts]
    total: Integers = np.sum(sizes, axis=0, dtype=np.int64)
    return total
