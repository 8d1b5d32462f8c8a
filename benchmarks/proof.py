"""What a file says of itself, and whether it answers its golden sentences on this device."""

import importlib.util
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from pocketbert.errors import UserError
from pocketbert.files import sha256
from students.exporting.golden import GOLDEN, Checked, Golden, check
from students.exporting.running import longest_of, open_session

LEAST_AGREEMENT, MOST_DIFFERENCE = 0.9, 0.1
WORST_DIFFERENCE = 0.5
"""No device is allowed more, whatever the file's difference was where it was made."""

SLACK = 0.1
"""A file that was further from PyTorch already where it was made may be off by so much more, and no more."""

TOKENIZER = "tokenizer.json"
ROUNDS = 5


@dataclass(frozen=True)
class Limits:
    """Of a file's answers to its golden sentences.

    Attributes:
        agreement: the least share that is the same.
        difference: where there is no such share, the largest difference as a share of the largest expected number.
    """

    agreement: float
    difference: float


@dataclass(frozen=True)
class Proven:
    """A file, as far as it can be told before it is timed.

    Attributes:
        bytes: its size.
        sha256: of its content.
        bytes_by_class: of its constants: embedding, encoder and head; None of a file that does not say.
        golden: its answers to the golden sentences beside it; None without any.
        limits: of these answers.
        tokenizer_ms: what reading a golden sentence into ids takes, which comes before each call; None where there is
            no tokenizer beside it, or the library is not installed.
        longest: most tokens that it reads; None of a file that does not say.
        problem: why it can't be opened, run or compared; None where it can.
    """

    bytes: int
    sha256: str
    bytes_by_class: dict[str, int] | None
    golden: Checked | None
    limits: Limits
    tokenizer_ms: float | None
    longest: int | None = None
    problem: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it answers other than it should, or not at all."""
        if self.problem is not None:
            return True
        if self.golden is None:
            return False
        if self.golden.agreement is None:
            return self.golden.relative_difference > self.limits.difference
        return self.golden.agreement < self.limits.agreement


def limits_of(golden: Golden | None, name: str) -> Limits:
    """Return what a file must keep on a device: the usual limits, or a little less than it kept where it was made."""
    made = {} if golden is None else golden.made.get(name, {})
    agreement, difference = made.get("agreement"), made.get("relative_difference")
    return Limits(
        LEAST_AGREEMENT if agreement is None else min(LEAST_AGREEMENT, agreement - SLACK),
        MOST_DIFFERENCE if difference is None else min(WORST_DIFFERENCE, max(MOST_DIFFERENCE, difference + SLACK)),
    )


def proven(path: Path) -> Proven:
    """Look at a file, and run it on the golden sentences beside it.

    Raises:
        UserError: it can't be opened or run.
    """
    session = open_session(path)
    metadata = session.get_modelmeta().custom_metadata_map
    golden = Golden.read(path.parent / GOLDEN) if (path.parent / GOLDEN).is_file() else None
    return Proven(
        bytes=path.stat().st_size,
        sha256=sha256(path),
        bytes_by_class=json.loads(metadata["bytes"]) if "bytes" in metadata else None,
        golden=None if golden is None else check(golden, path),
        limits=limits_of(golden, path.name),
        tokenizer_ms=None if golden is None else _tokenizer_ms(path.parent / TOKENIZER, golden),
        longest=longest_of(session),
    )


def proven_or_not(path: Path) -> Proven:
    """Do as `proven` does, but keep what is wrong with a file as its `problem`.

    Raises:
        UserError: there is no such file.
    """
    try:
        return proven(path)
    except UserError as error:
        if not path.is_file():
            raise
        return Proven(path.stat().st_size, sha256(path), None, None, limits_of(None, ""), None, problem=str(error))


def _tokenizer_ms(file: Path, golden: Golden) -> float | None:
    if not file.is_file() or importlib.util.find_spec("tokenizers") is None:
        return None
    import tokenizers  # noqa: PLC0415  (a device may lack it)

    tokenizer = tokenizers.Tokenizer.from_file(str(file))
    texts = [[text] if isinstance(text, str) else text for text in golden.texts]
    times = []
    for _ in range(ROUNDS):
        for text in texts:
            begin = time.perf_counter()
            tokenizer.encode(*text)
            times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)
