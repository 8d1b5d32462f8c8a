"""What machine this is; needs no torch, so that measuring needs none."""

import platform
import subprocess
from pathlib import Path

import pocketbert


def processor() -> str:
    """Return the processor's name; `platform.processor()` is empty on most Linux systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def commit() -> str | None:
    """Return the commit that this code is of, with -dirty where it was changed; None where git does not tell."""
    root = Path(pocketbert.__file__).parents[1]
    # The arguments are ours and no shell reads them.
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603  (a list, no shell)
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
