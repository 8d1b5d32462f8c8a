"""A teacher's logits kept on disk, so that seeds, resumed runs and epochs ask it once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

NAME = "logits"


def stored_logits(path: Path, key: str, compute: Callable[[], NDArray[np.floating[Any]]]) -> NDArray[np.floating[Any]]:
    """Return logits [N, C] that were stored under this key, here or in a folder beside; else compute and store them.

    Args:
        path: a safetensors file; replaced atomically.
        key: stands for teacher weights, texts, tokenizer and truncation.
        compute: asks the teacher.
    """
    found = _read(path, key)
    if found is not None:
        return found
    beside = (_read(other, key) for other in sorted(path.parent.parent.glob(f"*/{path.name}")))
    known = next((logits for logits in beside if logits is not None), None)
    logits = np.ascontiguousarray(compute() if known is None else known, dtype=np.float32)
    partial = path.with_suffix(".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    save_file({NAME: logits}, partial, metadata={"key": key})
    partial.replace(path)
    return logits


def _read(path: Path, key: str) -> NDArray[np.floating[Any]] | None:
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            logits: NDArray[np.floating[Any]] = file.get_tensor(NAME)
            return logits
    except (OSError, SafetensorError):
        return None
