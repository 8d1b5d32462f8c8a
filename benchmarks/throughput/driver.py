"""The other end of an engine's gate: a process that trains only when it is told to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.talking import Talking


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
        environment: variables that it has besides this process's own.
    """

    def __init__(
        self, name: str, command: Sequence[str], threads: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self._process = Talking(name, command, threads, environment)
        self._ready = False

    def __enter__(self) -> "Driver":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def train(self, batches: int) -> Visit:
        """Let it train on some batches.

        Raises:
            UserError: it ended instead.
        """
        if not self._ready:
            self._process.hear()  # that it has loaded everything
            self._ready = True
        told = self._process.ask(f"go {batches}")
        return Visit(told["seconds"], int(told["rows"]))
