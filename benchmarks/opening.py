"""What it takes to open a file: time, the first call, and memory, in processes of their own."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pocketbert.errors import UserError

PROCESSES = 3

_PROBE = """
import json, re, sys, time
from pathlib import Path
import numpy, onnxruntime
from benchmarks.measuring import feed
from students.exporting.running import open_session
status = Path("/proc/self/status")
def kilobytes(field):
    return int(re.search(field + r":\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0
path, length, batch, threads = Path(sys.argv[1]), *map(int, sys.argv[2:])
before, begin = kilobytes("VmRSS"), time.perf_counter()
session = open_session(path, threads)
opened = time.perf_counter()
inputs = feed(session, length, batch)
started = time.perf_counter()
session.run(None, inputs)
ran = time.perf_counter()
session.run(None, inputs)
peak = 1024 * max(0, kilobytes("VmHWM") - before) if status.exists() else None
again = time.perf_counter()
other = open_session(path, threads)
warm = time.perf_counter() - again
print(json.dumps([1e3 * (opened - begin), 1e3 * (ran - started), 1e3 * warm, peak]))
"""


@dataclass(frozen=True)
class Opening:
    """Medians over processes.

    Attributes:
        first_ms: opening the file as the first one of a process.
        again_ms: opening it a second time in that process.
        first_call_ms: the first call.
        peak_bytes: memory at most while opening and calling twice, above what onnxruntime takes without a model; None
            where the system does not tell (Linux does).
    """

    first_ms: float
    again_ms: float
    first_call_ms: float
    peak_bytes: int | None


def opening(path: Path, length: int, *, batch: int = 1, threads: int = 1, processes: int = PROCESSES) -> Opening:
    """Open a file and call it twice, in several processes one after the other.

    Args:
        path: of the ONNX file.
        length: tokens a text.
        batch: texts a call.
        threads: threads within an operator.
        processes: how many.

    Raises:
        UserError: the file can't be run.
    """
    found = [_probed(path, length, batch, threads) for _ in range(processes)]
    first, call, again, peaks = zip(*found, strict=True)
    peak = None if peaks[0] is None else int(statistics.median(peaks))
    return Opening(statistics.median(first), statistics.median(again), statistics.median(call), peak)


def _probed(path: Path, length: int, batch: int, threads: int) -> tuple[float, float, float, int | None]:
    arguments = [sys.executable, "-c", _PROBE, str(path.absolute()), *map(str, (length, batch, threads))]
    # Out of an archive of Python code the modules are found by its path.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  (our own code)
    if done.returncode:
        raise UserError(f"{path} can't be run in a process of its own: {done.stderr.strip().splitlines()[-1]}")
    first, call, again, peak = json.loads(done.stdout)
    return first, call, again, peak
