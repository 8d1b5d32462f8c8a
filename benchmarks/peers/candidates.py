"""Who takes part: which file, in which runtime, made by which command."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.folders import VERSIONS
from pocketbert.errors import UserError, unknown

OURS = "pocketbert"
FULL_RANGE = f"{OURS} full range"
"""With weights of 8 bits, as the peers' are, instead of the 7 that answer alike on every processor."""

REFERENCE = "PyTorch eager"


@dataclass(frozen=True)
class Candidate:
    """One version of a model.

    Attributes:
        peer: whose version it is.
        precision: fp32 or int8.
        runtime: of `scripts/worker.py`.
        file: what is opened, inside the model's folder.
        maker: the module whose command writes it.
    """

    peer: str
    precision: str
    runtime: str
    file: str
    maker: str

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"{self.peer}, {self.precision}"

    def path(self, folder: Path) -> Path:
        """Return its file for a model.

        Raises:
            UserError: it has not been made.
        """
        path = folder / self.file
        if not path.exists():
            raise UserError(
                f"{path} is not there: run python -m benchmarks.peers.{self.maker} first, or leave it out "
                f"with --without '{self.peer}'."
            )
        return path

    def has_versions(self, folder: Path) -> bool:
        """Whether beside its file it says what it was made with."""
        return (folder / self.file).with_name(VERSIONS).is_file()


def _both(peer: str, runtime: str, folder: str, maker: str, suffix: str = "onnx") -> tuple[Candidate, Candidate]:
    fp32, int8 = (Candidate(peer, each, runtime, f"{folder}/model-{each}.{suffix}", maker) for each in ("fp32", "int8"))
    return fp32, int8


CANDIDATES = (
    *_both(OURS, "onnxruntime", "pocketbert", "models"),
    Candidate(FULL_RANGE, "int8", "onnxruntime", "pocketbert/model-int8-full-range.onnx", "models"),
    *_both("optimum-onnx", "onnxruntime", "optimum", "optimum"),
    *_both("onnxruntime optimizer", "onnxruntime", "optimizer", "optimizer"),
    Candidate(REFERENCE, "fp32", "torch", ".", "models"),
    Candidate("torch.compile", "fp32", "torch.compile", ".", "models"),
    *_both("OpenVINO", "openvino", "openvino", "openvino", "xml"),
    *_both("OpenVINO static", "openvino static", "openvino", "openvino", "xml"),
    Candidate("OpenVINO static float32", "int8", "openvino static exact", "openvino/model-int8.xml", "openvino"),
)
"""torch.compile and "OpenVINO static" have every length compiled for itself; the others take any length.

OpenVINO computes what is not int8 in bfloat16 where the processor can; the last one keeps it in float32.
"""

PEERS = tuple(dict.fromkeys(each.peer for each in CANDIDATES if each.peer not in (OURS, FULL_RANGE, REFERENCE)))


def chosen(without: Sequence[str]) -> list[Candidate]:
    """Return all candidates but some peers'; ours and the reference always take part.

    Raises:
        UserError: no such peer.
    """
    for name in without:
        if name not in PEERS:
            raise unknown("peer", name, PEERS)
    return [each for each in CANDIDATES if each.peer not in without]
