"""The device that measures: what it is, and whether it is one at all."""

import os
import platform
from pathlib import Path

import onnxruntime

from pocketbert.errors import UserError
from pocketbert.machine import processor

_ARM = ("aarch64", "arm64", "armv7l", "armv8l")
_FOREIGN = ("genuineintel", "authenticamd", "bogomips\t: 100.00")
"""In what the kernel says of its processor, though the program was made for ARM: QEMU's user mode."""


def environment() -> dict[str, str | int | float]:
    """Return what the numbers depend on besides the files: processor, cores, load and runtime."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
        "system": f"{platform.system()} {platform.machine()}{', emulated' * is_emulated()}",
        "onnxruntime": onnxruntime.__version__,
    }


def is_emulated(machine: str | None = None, cpuinfo: str | None = None) -> bool:
    """Tell whether this program is translated for another processor as it runs.

    Args:
        machine: what the program was made for; None: this one.
        cpuinfo: what the kernel says of the processor; None: this one's.
    """
    if (machine or platform.machine()) not in _ARM:
        return False
    if cpuinfo is None:
        file = Path("/proc/cpuinfo")
        cpuinfo = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    return any(word in cpuinfo.lower() for word in _FOREIGN)


def refuse_emulation() -> None:
    """Raise UserError under emulation, whose times say nothing of a device."""
    if is_emulated():
        raise UserError(
            "this processor is emulated (QEMU): int8 looks several times faster there than it is. Answers can be "
            "checked here (--check); times must come from the device itself."
        )
