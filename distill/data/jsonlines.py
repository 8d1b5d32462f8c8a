"""JSON Lines: one object a line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from distill.data.tables import Table, broken
from pocketbert.errors import UserError


def read_jsonl(path: Path) -> Table:
    """Read a JSON Lines file; keys that an object lacks are null.

    Raises:
        UserError: empty, not UTF-8, invalid JSON, or a line that is not an object.
    """
    records, lines = [], []
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            if raw.strip():
                records.append(_record(path, number, raw))
                lines.append(number)
    if not records:
        raise UserError(f"{path} is empty: it needs one JSON object per line.")
    names = list(dict.fromkeys(key for record in records for key in record))
    arrays = [_array([record.get(name) for record in records]) for name in names]
    return Table(str(path), pa.table(arrays, names=names), np.asarray(lines, dtype=np.int64))


def _record(path: Path, number: int, raw: bytes) -> dict[str, Any]:
    try:
        record = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError:
        raise broken(path, number, "not UTF-8", "save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        remedy = "write one whole object per line" if raw.lstrip()[:1] in b"[{" else "mend or remove that line"
        raise broken(path, number, f"invalid JSON ({error.msg}, column {error.colno})", remedy) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets within brackets
        raise broken(path, number, f"JSON that can't be read ({error})") from None
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise broken(path, number, "half a surrogate pair (such as \\ud800), which is no character") from None
    if not isinstance(record, dict):
        raise broken(path, number, "not a JSON object", "write one object per line")
    return record


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError):
        # Numbers among strings and the like: keep what was written, the label code will say what is wrong.
        return pa.array([value if value is None or isinstance(value, str) else json.dumps(value) for value in values])
