"""The files that a phone measures, looked at before it gets them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.comparing import named
from benchmarks.measuring import SAFE_VOCABULARY, feed
from benchmarks.proof import Proven, proven
from pocketbert.errors import UserError
from students.exporting.golden import GOLDEN, Golden
from students.exporting.running import check_length, open_session

MOST_FILES = 100
RUN_FILES = (
    ("teacher fp32", "teacher-onnx/model-fp32.onnx"),
    ("teacher int8", "teacher-onnx/model-int8.onnx"),
    ("student fp32", "student/model-fp32.onnx"),
    ("student int8", "student/model-int8.onnx"),
)
"""Of a run's folder, in the order of the report: speeds relate to the first that is there."""


@dataclass(frozen=True)
class Candidate:
    """A file.

    Attributes:
        name: in the report.
        path: of the file.
        proven: what it says of itself and answers on the laptop.
        inputs: names, in order.
        vocabulary: ids are below this.
        golden: the sentences beside it; None without any.
    """

    name: str
    path: Path
    proven: Proven
    inputs: tuple[str, ...]
    vocabulary: int
    golden: Golden | None

    def told(self) -> dict[str, Any]:
        """Return what the page has to know of it, but for its place."""
        return {
            "name": self.name,
            "bytes": self.proven.bytes,
            "sha256": self.proven.sha256,
            "inputs": list(self.inputs),
            "vocabulary": self.vocabulary,
            "limits": asdict(self.proven.limits),
        }


def candidates(paths: Sequence[Path], lengths: Sequence[int], batch: int) -> list[Candidate]:
    """Look at the files that are given.

    Args:
        paths: a run's folder, a folder with ONNX files, or ONNX files.
        lengths: tokens a text, which each must be able to read.
        batch: texts a call.

    Raises:
        UserError: there is none, one is no model or no text classifier's, or it reads shorter texts.
    """
    found = _found(paths)
    if len(found) > MOST_FILES:
        raise UserError(f"{len(found)} files are more than a phone holds at once: give at most {MOST_FILES}.")
    return [_candidate(name, path, lengths, batch) for name, path in found.items()]


def _found(paths: Sequence[Path]) -> dict[str, Path]:
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        files = {name: folder / place for name, place in RUN_FILES if (folder / place).is_file()}
        files = files or {path.name: path for path in sorted(folder.glob("*.onnx"))}
        if not files:
            raise UserError(f"{folder} has no ONNX file: give the folder of a run, one of students.export, or files.")
        return files
    if folders := [path for path in paths if path.is_dir()]:
        raise UserError(f"{folders[0]} is a folder among other paths: give one folder, or files alone.")
    return named(paths)


def _candidate(name: str, path: Path, lengths: Sequence[int], batch: int) -> Candidate:
    session = open_session(path, 1)
    inputs = tuple(feed(session, min(lengths), batch))
    check_length(session, name, max(lengths))
    golden = Golden.read(path.parent / GOLDEN) if (path.parent / GOLDEN).is_file() else None
    metadata = session.get_modelmeta().custom_metadata_map
    return Candidate(name, path, proven(path), inputs, int(metadata.get("vocabulary_size", SAFE_VOCABULARY)), golden)
