"""The other end of `scripts/worker.py`: a process for one model in one runtime, which works only when it is told to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measuring import SHORTEST_SAMPLE, WARM_UP_CALLS
from benchmarks.talking import Talking
from pocketbert.errors import UserError
from students.exporting.running import Encoding

SCRIPT = Path(__file__).parent / "scripts" / "worker.py"


class Worker:
    """A process that has a model open; a context, at whose end it ends."""

    def __init__(self, name: str, python: Path, threads: int) -> None:
        """Start the process.

        Args:
            name: what its errors call it.
            python: the interpreter of an environment with the runtime.
            threads: of every library in it.
        """
        self.name, self.threads = name, threads
        self.versions: dict[str, str] = {}
        self.calls: dict[int, int] = {}
        self._process = Talking(name, [str(python), str(SCRIPT)], threads)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, runtime: str, path: Path, texts: Sequence[Encoding]) -> None:
        """Open a model and warm it.

        Args:
            runtime: of `scripts/worker.py`.
            path: its file or folder.
            texts: that are timed, one for each length.

        Raises:
            UserError: the runtime or the file is not there or does not work.
        """
        told = self._ask(
            do="open", runtime=runtime, path=str(path), threads=self.threads, texts=[*map(dict, texts)],
            shortest=SHORTEST_SAMPLE, warm_up=WARM_UP_CALLS,
        )  # fmt: skip
        self.versions = told["versions"]
        self.calls = {int(length): calls for length, calls in told["calls"].items()}

    def sample(self, length: int, count: int) -> list[float]:
        """Return the seconds of a call at a length, some samples of it."""
        seconds: list[float] = self._ask(do="sample", length=length, count=count)["seconds"]
        return seconds

    def answer(self, texts: Sequence[Encoding]) -> npt.NDArray[np.float64]:
        """Return the logits [texts, classes] of texts that are run one at a time."""
        return np.array(self._ask(do="answer", texts=[*map(dict, texts)])["logits"], np.float64)

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _ask(self, **order: object) -> Mapping[str, Any]:
        answer = self._process.ask(json.dumps(order))
        if "error" in answer:
            raise UserError(f"{self.name}: {answer['error']}")
        return answer
