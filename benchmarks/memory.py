"""Peak memory that running an ONNX file takes, above an onnxruntime without a model."""

from pathlib import Path

from benchmarks.opening import opening
from pocketbert.errors import UserError


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
    peak = opening(path, length, batch=batch, threads=threads, processes=1).peak_bytes
    if peak is None:
        raise UserError("the peak memory of a file is read from /proc, which this system lacks: leave memory out.")
    return peak
