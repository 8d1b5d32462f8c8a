"""The engines that are compared, and how each is started."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.throughput.task import GROUPED, RANDOM, WHOLE

PEER = Path(__file__).parent / "scripts" / "peer.py"
OURS_MODULE, TEXTBREWER = "benchmarks.throughput.ours", "textbrewer"


@dataclass(frozen=True)
class Engine:
    """One way to train.

    Attributes:
        name: in tables.
        words: of its command line after the folder; of ours: cached as or asked, precision; of a peer: order, padding,
            optimizer.
        kind: of a peer; None: our own.
        batches: of a visit.
        asks_teacher: whether its arithmetic has the teacher's in it.
    """

    name: str
    words: tuple[str, ...]
    kind: str | None = None
    batches: int = 8
    asks_teacher: bool = True

    @property
    def padding(self) -> str:
        """Under which name `Work.padding` has its own."""
        if self.kind is None:
            return GROUPED
        return WHOLE if WHOLE in self.words else self.words[0]

    def command(self, folder: Path, size: int, threads: int, textbrewer: Path) -> list[str]:
        """Return what starts it.

        Args:
            folder: of the task.
            size: texts a batch.
            threads: of every library.
            textbrewer: the interpreter that has it.
        """
        if self.kind is None:
            return [
                sys.executable,
                "-m",
                "benchmarks.throughput.ours",
                str(folder),
                *self.words,
                str(size),
                str(threads),
            ]
        python = str(textbrewer) if self.kind == TEXTBREWER else sys.executable
        return [python, str(PEER), self.kind, str(folder), *self.words, str(threads)]


PEAK = Engine("matrix product", (GROUPED, "batch", "fused"), "matmul", 4)
OURS = Engine("pocketbert, teacher kept", ("fp16", "fp32"), asks_teacher=False)
ASKED = Engine("pocketbert, teacher asked", ("asked", "fp32"))
BARE = Engine("bare loop, grouped by length", (GROUPED, "batch", "fused"), "bare")
ENGINES: Sequence[Engine] = (
    OURS,
    ASKED,
    Engine("pocketbert, teacher kept, bfloat16", ("fp16", "bf16"), asks_teacher=False),
    BARE,
    Engine("plain Trainer, batches at random", (RANDOM, "batch", "fused"), "trainer", 6),
    Engine("TextBrewer, padded to 128", (RANDOM, WHOLE, "plain"), TEXTBREWER, 2),
    Engine("TextBrewer, our batches, fused AdamW", (GROUPED, "batch", "fused"), TEXTBREWER),
)
