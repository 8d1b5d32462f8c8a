"""The latency of a model that has no file yet."""

from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import PreTrainedModel

from benchmarks.measuring import measure
from students.building import usable_positions
from students.exporting.files import export_fp32


def milliseconds(threads: int, rounds: int, length: int, model: PreTrainedModel) -> float:
    """Return what a model's float32 file takes at best, which other work on the machine disturbs least.

    Args:
        threads: of ONNX Runtime.
        rounds: of measuring.
        length: tokens of the text, if it can be as long.
        model: is not changed.
    """
    with TemporaryDirectory() as place:
        path = Path(place) / "model.onnx"
        export_fp32(model, path)
        lengths = [min(length, usable_positions(model.config))]
        (row,) = measure({"model": path}, lengths, batch=1, threads=threads, rounds=rounds)
    return min(min(each) for each in row.raw_ms)
