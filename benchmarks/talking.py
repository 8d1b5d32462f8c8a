"""A process that works only when it is told to: lines go in, and a line of JSON comes out for each."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from pocketbert.errors import UserError

QUIET = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


class Talking:
    """A program that is talked with; a context, at whose end it ends."""

    def __init__(
        self, name: str, command: Sequence[str], threads: int, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it.

        Args:
            name: what its errors call it.
            command: starts it.
            threads: of every library in it.
            environment: variables that it has besides this process's own.

        Raises:
            UserError: there is no such program.
        """
        self.name = name
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  (closed in close)
        try:
            self._process = subprocess.Popen(  # noqa: S603  (a list, no shell)
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                env=os.environ | QUIET | {"OMP_NUM_THREADS": str(threads)} | dict(environment or {}),
            )
        except OSError as error:
            self._log.close()
            raise UserError(f"{name}: {command[0]} can't be started ({error}).") from None

    def close(self) -> None:
        """Let it end, and wait until it has."""
        self._process.communicate()
        self._log.close()

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and return the answer; see `hear` for the error."""
        assert self._process.stdin is not None  # noqa: S101  (for type checkers: it is a pipe)
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, which `hear` says with its last words
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Return what it says next.

        Raises:
            UserError: it ended instead; with its last words.
        """
        assert self._process.stdout is not None  # noqa: S101  (for type checkers: it is a pipe)
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            last = [text for text in self._log.read().splitlines() if text.strip()][-1:] or ["it said nothing"]
            raise UserError(f"{self.name}: the process ended with exit code {self._process.returncode} ({last[0]}).")
        answer: dict[str, Any] = json.loads(line)
        return answer
