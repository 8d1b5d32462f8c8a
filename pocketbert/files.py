"""Files written so that a kill at any moment leaves either the old file or the new one."""

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically (a temporary file beside it, then a rename); missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401  (anything JSON can hold)
    """Write `value` as indented JSON, atomically; numbers that JSON lacks (NaN, infinity) are refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV with a header, atomically."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def read_json(path: Path) -> Any:  # noqa: ANN401  (anything JSON can hold)
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_name(place: str) -> str:
    """Return the name of a folder that is given by its path; any other name (of a catalogue, of a hub) as it is."""
    path = Path(place)
    return path.resolve().name if path.is_absolute() or place.startswith((".", "~")) or path.is_dir() else place


def text_hash(*texts: str) -> int:
    """Return 64 bits that stand for a text, or for several in their order, on every machine."""
    return int.from_bytes(hashlib.blake2b("\x1f".join(texts).encode(), digest_size=8).digest(), "little")


def fingerprint(value: Any) -> str:  # noqa: ANN401  (anything JSON can hold)
    """Return 16 hexadecimal digits that stand for a JSON-like value (key order does not matter)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
