"""Where what is made once is kept."""

import os
from pathlib import Path

from pocketbert.errors import UserError


def cache_folder() -> Path:
    """Return `$XDG_CACHE_HOME/pocketbert`, or `~/.cache/pocketbert`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pocketbert"


def unwritable(what: str, folder: Path, error: OSError) -> UserError:
    """Return the error for a cache that can't be written."""
    return UserError(
        f"{what} can't be kept in {folder} ({error.strerror}): set XDG_CACHE_HOME to a folder that can be written."
    )
