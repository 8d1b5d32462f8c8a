"""The other end of an engine's gate: a process that trains only when it is told to."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from pocketbert.errors import UserError

QUIET = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


@dataclass(frozen=True)
class Visit:
    """Some batches: seconds and texts."""

    seconds: float
    texts: int

    @property
    def speed(self) -> float:
        """Texts a second."""
        return self.texts / self.seconds


class Driver:
    """An engine's process; a context, at whose end it ends.

    Args:
        name: what its errors call it.
        command: starts it.
        threads: of every library in it.
    """

    def __init__(self, name: str, command: Sequence[str], threads: int) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  (closed at the end)
        self._process = subprocess.Popen(  # noqa: S603  (a list, no shell)
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            env=os.environ | QUIET | {"OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        self._ready = False

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._log.close()

    def train(self, batches: int) -> Visit:
        """Let it train on some batches.

        Raises:
            UserError: it ended instead.
        """
        assert self._process.stdin is not None  # noqa: S101  (for type checkers: it is a pipe)
        if not self._ready:
            self._answer()  # that it has loaded everything
            self._ready = True
        self._process.stdin.write(f"go {batches}\n")
        self._process.stdin.flush()
        told = self._answer()
        return Visit(told["seconds"], int(told["rows"]))

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None  # noqa: S101  (for type checkers: it is a pipe)
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            last = [text for text in self._log.read().splitlines() if text.strip()][-1:] or ["it said nothing"]
            raise UserError(f"{self.name} ended with exit code {self._process.returncode} ({last[0]}).")
        answer: dict[str, float] = json.loads(line)
        return answer
