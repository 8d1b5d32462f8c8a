"""Peak memory that running an ONNX file takes, above an onnxruntime without a model."""

import subprocess
import sys
from pathlib import Path

from pocketbert.errors import UserError

_PROBE = """
import re, sys
from pathlib import Path
from benchmarks.latency import feed
from students.exporting.running import open_session
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def current():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
path, length, batch, threads = Path(sys.argv[1]), *map(int, sys.argv[2:])
before = current()
session = open_session(path, threads)
for _ in range(2):
    session.run(None, feed(session, length, batch))
print(max(0, peak() - before) * 1024)
"""


def peak_memory(path: Path, length: int, *, batch: int = 1, threads: int = 1) -> int:
    """Return the bytes that opening a file and running it twice take at most, in a process of its own.

    Args:
        path: an ONNX classifier.
        length: tokens a text.
        batch: texts a call.
        threads: threads within an operator.

    Raises:
        UserError: the system does not tell a process's peak (Linux does), or the file can't be run.
    """
    if not Path("/proc/self/status").exists():
        raise UserError("the peak memory of a file is read from /proc, which this system lacks: leave memory out.")
    arguments = [sys.executable, "-c", _PROBE, str(path.absolute()), *map(str, (length, batch, threads))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)  # noqa: S603  (our own code)
    if done.returncode:
        raise UserError(f"{path} can't be run to measure its memory: {done.stderr.strip().splitlines()[-1]}")
    return int(done.stdout)
