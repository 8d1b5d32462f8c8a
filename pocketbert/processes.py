"""Several processes of one run (torchrun, accelerate launch): all train, the first alone writes and speaks."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from pocketbert.errors import UserError

T = TypeVar("T")
PATIENCE = timedelta(days=1)
"""How long the others wait for the first, which may be labelling a large corpus."""


def count() -> int:
    """Return how many processes work on this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this process is the one that writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def join() -> None:
    """Meet the other processes, if there are any.

    Raises:
        UserError: the launcher asks to shard the model.
    """
    if any(os.environ.get(f"ACCELERATE_USE_{kind}", "").lower() in {"1", "true"} for kind in ("FSDP", "DEEPSPEED")):
        raise UserError(
            "FSDP and DeepSpeed are not supported: a teacher of this kind fits on one device; launch with torchrun or "
            "accelerate launch --multi_gpu (each process holds the whole model)."
        )
    if count() > 1:
        import torch  # noqa: PLC0415  (seconds, which --help and error lines need not wait for)
        from accelerate import PartialState  # noqa: PLC0415  (the same)

        PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)


def leave() -> None:
    """Part from the other processes; none may wait for another after this."""
    if count() > 1:
        from torch import distributed  # noqa: PLC0415  (as in `join`)

        distributed.destroy_process_group()


def wait() -> None:
    """Return when every process has come here."""
    if count() > 1:
        from torch import distributed  # noqa: PLC0415  (as in `join`)

        try:
            distributed.barrier()
        except RuntimeError:  # another has stopped: the first says why, or else the launcher
            if is_first():
                raise
            sys.exit(2)


def agreed(value: T) -> T:
    """Return what the first process has, in all of them."""
    if count() == 1:
        return value
    from torch import distributed  # noqa: PLC0415  (as in `join`)

    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


@contextmanager
def first_goes_ahead() -> Iterator[None]:
    """Run a block in the first process, and only then in the others, which find what it wrote."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()
