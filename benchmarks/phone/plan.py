"""What the page is asked to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.phone.candidates import Candidate
from pocketbert.errors import UserError

SCHEMA = 1
LONGEST_SUSTAINED = 60
PROVIDERS = ("wasm", "webgpu")
DEFAULT_THREADS = 4
"""At most, where nobody says; a phone has as many fast cores."""

MOST_LENGTHS, MOST_THREADS, MOST_ROUNDS, LONGEST = 8, 4, 200, 2048


@dataclass(frozen=True)
class Plan:
    """The measurement.

    Attributes:
        lengths: tokens a text.
        batch: texts a call.
        threads: within an operator, each in turn; empty: what the phone has, up to four.
        rounds: how often each file is visited.
        seconds: of measuring at most, beyond one sample of each a round.
        sustained_minutes: that the last file is run for in the end, since phones slow down as they grow warm.
        provider: of `PROVIDERS`.
    """

    lengths: tuple[int, ...]
    batch: int
    threads: tuple[int, ...]
    rounds: int
    seconds: float
    sustained_minutes: int
    provider: str

    def check(self) -> None:
        """Raise UserError where a number makes no sense."""
        numbers = {"--length": self.lengths, "--threads": self.threads, "--batch": (self.batch,)}
        for option, values in {**numbers, "--rounds": (self.rounds,)}.items():
            if wrong := [value for value in values if value < 1]:
                raise UserError(f"{option} {wrong[0]}: it must be at least 1.")
        for option, values, most in (
            ("--length", self.lengths, MOST_LENGTHS),
            ("--threads", self.threads, MOST_THREADS),
        ):
            if len(set(values)) < len(values) or len(values) > most:
                raise UserError(f"{option} is given {len(values)} times: at most {most}, and each number once.")
        if max(self.lengths) > LONGEST or self.rounds > MOST_ROUNDS:
            raise UserError(f"--length goes up to {LONGEST}, --rounds up to {MOST_ROUNDS}.")
        if not 0 <= self.sustained_minutes <= LONGEST_SUSTAINED:
            raise UserError(f"--sustained {self.sustained_minutes}: 0 to {LONGEST_SUSTAINED} minutes.")
        if self.provider == "webgpu" and any(value > 1 for value in self.threads):
            raise UserError("--webgpu runs on the GPU: --threads says nothing there.")

    def told(self, files: Sequence[Candidate], runtime: str) -> dict[str, Any]:
        """Return what the page reads.

        Args:
            files: in order; the page finds each by its number.
            runtime: the version of ONNX Runtime Web.
        """
        places = [
            {**each.told(), "url": f"files/{number}", "golden": f"golden/{number}" if each.golden else None}
            for number, each in enumerate(files)
        ]
        return {"schema": SCHEMA, "runtime": runtime, **asdict(self), "files": places}
