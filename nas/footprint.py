"""What a candidate costs on the device: latency, size and memory of its fused int8 ONNX file."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from benchmarks.measuring import measure
from benchmarks.memory import peak_memory
from students.exporting.files import export_int8

MEGABYTE = 1e6
BUSY = 1.25
"""A median is at most so many times the fastest call where the machine does nothing else."""


@dataclass(frozen=True)
class Footprint:
    """Costs of one candidate.

    Attributes:
        latency_ms: milliseconds a call, median.
        size_mb: of the file, in 10^6 bytes.
        memory_mb: peak above an onnxruntime without a model, in 10^6 bytes; None where nobody asked.
    """

    latency_ms: float
    size_mb: float
    memory_mb: float | None = None


@dataclass(frozen=True)
class Setting:
    """What a latency is measured at.

    Attributes:
        length: tokens a text.
        batch: texts a call.
        threads: threads within an operator.
        rounds: how often candidate and reference are visited in turn.
    """

    length: int = 32
    batch: int = 1
    threads: int = 1
    rounds: int = 8


@dataclass(frozen=True)
class Reference:
    """A file that every candidate is measured beside, so that a busy moment falls on both.

    Attributes:
        path: the file.
        latency_ms: its median latency on the quiet machine.
    """

    path: Path
    latency_ms: float

    @classmethod
    def measured(cls, path: Path, setting: Setting) -> "Reference":
        """Measure a file alone; on a busy machine, whose median is far above it, the fastest call counts."""
        rows = measure(
            {path.name: path}, [setting.length], batch=setting.batch, threads=setting.threads, rounds=3 * setting.rounds
        )
        return cls(path, min(rows[0].p50_ms, BUSY * rows[0].fastest_ms))

    def scaled(self, files: Sequence[Path], setting: Setting, rounds: int) -> list[float]:
        """Measure files in turn with this one; return each one's milliseconds, as of the quiet machine.

        Of fastest calls the ratio is taken: beside other work it is within a few percent where that of medians is off
        by half.
        """
        named = {"reference": self.path} | {str(number): path for number, path in enumerate(files)}
        rows = measure(named, [setting.length], batch=setting.batch, threads=setting.threads, rounds=rounds)
        fastest = {row.name: row.fastest_ms for row in rows}
        return [fastest[str(n)] / fastest["reference"] * self.latency_ms for n in range(len(files))]


def export_as_trained(model: PreTrainedModel, path: Path) -> None:
    """Write the int8 file of a model that was not trained, as large as that of a trained one.

    A file stores equal constants once, and before training all biases and norms are equal.
    """
    small = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    kept, draw = [parameter.detach().clone() for parameter in small], torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in small:
            parameter.copy_(torch.rand(parameter.shape, generator=draw))
        try:
            export_int8(model, path)
        finally:
            for parameter, before in zip(small, kept, strict=True):
                parameter.copy_(before)


def measured_footprint(
    model: PreTrainedModel,
    reference: Reference,
    setting: Setting,
    *,
    memory: bool = False,
    predicted_ms: Callable[[], float] | None = None,
) -> Footprint:
    """Export a model and measure its file.

    Args:
        model: any weights; see `export_as_trained`.
        reference: measured in turn with it; the latency is their ratio times the reference's own.
        setting: what is measured.
        memory: measure the peak memory too.
        predicted_ms: gives the latency instead, for a device that is not here.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.onnx"
        export_as_trained(model, path)
        size = path.stat().st_size / MEGABYTE
        peak = None
        if memory:
            peak = peak_memory(path, setting.length, batch=setting.batch, threads=setting.threads) / MEGABYTE
        if predicted_ms is not None:
            return Footprint(predicted_ms(), size, peak)
        return Footprint(reference.scaled([path], setting, setting.rounds)[0], size, peak)
