"""The command line of the one-file bundle, which has no more than Python, onnxruntime and NumPy to stand on.

The options are those of `python -m benchmarks.latency`; its library for them needs a compiled one on the device.
"""

import argparse
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.comparing import ROUNDS, compare
from pocketbert.errors import UserError

CARRIED = "carried"
"""The folder in the bundle with models and what stands beside them."""


def main(archive: Path, words: Sequence[str]) -> int:
    """Measure the files that are given, or else those in the bundle; return the exit code.

    Args:
        archive: the bundle.
        words: of the command line.
    """
    options = vars(_parser(archive.name).parse_args(words))
    try:
        with tempfile.TemporaryDirectory() as place:
            files = options.pop("files") or _unpacked(archive, Path(place))
            compare(files, **options)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _unpacked(archive: Path, place: Path) -> list[Path]:
    with zipfile.ZipFile(archive) as bundle:
        names = [name for name in bundle.namelist() if name.startswith(f"{CARRIED}/")]
        bundle.extractall(place, names)
    return sorted(place / name for name in names if name.endswith(".onnx"))


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        name, description="Checks and measures ONNX files on this device's CPU; without FILE those that it carries."
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="ONNX files; speed is relative to the first")
    add("--length", action="append", type=int, dest="lengths", default=[], help="tokens a text; may be repeated")
    add("--batch", type=int, default=1, help="texts a call")
    add("--threads", action="append", type=int, default=[], help="threads within an operator; may be repeated")
    add("--rounds", type=int, default=ROUNDS, help="how often each file is visited")
    add("--no-open", action="store_false", dest="opened", help="don't measure how files open")
    add("--check", action="store_true", help="check the golden sentences alone, and time nothing")
    add("--json", type=Path, help="write rows, samples and environment to this file")
    return parser
