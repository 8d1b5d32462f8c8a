"""What a run will cost in time, memory and disk, said before it starts."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from datasets import Dataset
from torch import nn
from transformers import PreTrainedModel

from distill.activations import Needs
from distill.data.encoding import MODEL_INPUTS, Collator
from distill.data.sampling import lengths_of
from distill.distiller import Distiller
from pocketbert.devices import best_device
from pocketbert.errors import UserError

BYTES = 4
TRAINING_COPIES = 3  # gradients, two AdamW moments
CHECKPOINT_COPIES = 3  # weights, two AdamW moments
OVERHEAD = 1.25  # optimizer step, data loading, logging: measured 1.15-1.3 on 2 cores
PROBE_BATCHES = 3


def duration(seconds: float) -> str:
    """Say seconds, or minutes from a minute and a half on."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


@dataclass(frozen=True)
class Cost:
    """An estimate.

    Attributes:
        seconds: training time of the stages named in the run's plan.
        memory_bytes: what the program holds when training begins (on an accelerator, the weights), and gradients,
            optimizer state and activations of the largest stage.
        disk_bytes: checkpoints, students and ONNX files at the run's fullest moment.
    """

    seconds: float
    memory_bytes: int
    disk_bytes: int

    def describe(self) -> str:
        """Say it in one line."""
        memory, disk = self.memory_bytes / 1e9, self.disk_bytes / 1e9
        return f"about {duration(self.seconds)} of training, {memory:.1f} GB of memory, {disk:.2f} GB of disk"


@dataclass(frozen=True)
class Step:
    """What one training step costs: seconds on typical rows, bytes kept for the backward pass on the longest."""

    seconds: float
    activation_bytes: int


def probe_step(
    distiller: Distiller,
    rows: Dataset,
    collator: Collator,
    batch_size: int,
    *,
    bf16: bool = False,
    stored: Needs | None = None,
) -> Step:
    """Run a few forward and backward passes; changes neither weights nor random state.

    Args:
        distiller: as the stage builds it, on the device it is on; its `epoch` decides whether there is noise.
        rows: encoded, with `length`.
        collator: pads batches.
        batch_size: rows of one pass, at most all.
        bf16: autocast to bfloat16.
        stored: what the run will have stored of the teacher.
    """
    order = lengths_of(rows).argsort(kind="stable")
    inputs = rows.remove_columns("length")
    device, training = distiller.student.device, distiller.training
    distiller.train()
    spent, kept = [], 0
    with torch.random.fork_rng():
        for part in (PROBE_BATCHES, *range(PROBE_BATCHES)):  # the longest rows first, to warm up and for their memory
            start = max(0, min(len(order) - batch_size, (len(order) * (part + 1)) // (PROBE_BATCHES + 1)))
            batch = collator([inputs[int(i)] for i in order[start : start + batch_size]])
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            if stored and not distiller.teacher_needs.keys() - stored:
                batch["stored"] = distiller.teacher_says({n: batch[n] for n in MODEL_INPUTS if n in batch})
            begin = now()
            with _saved_bytes(distiller) as saved, torch.autocast(device.type, torch.bfloat16, bf16):
                loss = distiller(**batch)["loss"]
            loss.backward()
            spent.append(now() - begin)
            kept = max(kept, sum(saved.values()))
            distiller.zero_grad(set_to_none=True)
    distiller.train(training)
    return Step(OVERHEAD * sum(spent[1:]) / PROBE_BATCHES, kept)


def now() -> float:
    """Return the clock once the accelerator, where there is one, has done what it was given."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()


@contextmanager
def _saved_bytes(model: nn.Module) -> Iterator[dict[int, int]]:
    """Collect the bytes of each storage that autograd keeps, the model's own parameters left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    saved: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield saved


@torch.inference_mode()
def seconds_to_answer(model: PreTrainedModel, rows: Dataset, collator: Collator, batch_size: int) -> float:
    """Return the seconds of one forward pass over all rows, from one batch of middling length."""
    order = lengths_of(rows).argsort(kind="stable")
    middle = max(0, (len(order) - batch_size) // 2)
    names = [name for name in MODEL_INPUTS if name in rows.column_names]
    columns = rows.select(order[middle : middle + batch_size]).select_columns(names)
    batch = {name: tensor.to(model.device) for name, tensor in collator(list(columns)).items()}
    spent = []
    for _ in range(2):
        begin = now()
        model(**batch)
        spent.append(now() - begin)
    return min(spent) * len(rows) / len(columns)


def parameters(model: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def held_memory(models: Sequence[nn.Module]) -> int:
    """Return the bytes in use before anything is trained: the program's on a CPU, the weights on an accelerator."""
    if best_device().type == "cpu":
        return int(psutil.Process().memory_info().rss)
    return BYTES * sum(parameters(model) for model in models)


def training_memory(trained: Sequence[nn.Module], activation_bytes: int) -> int:
    """Return the bytes of gradients and optimizer state of the largest trained model, and of a step's activations.

    Args:
        trained: models that a stage trains.
        activation_bytes: kept for the backward pass by the largest step.
    """
    return BYTES * TRAINING_COPIES * max(parameters(model) for model in trained) + activation_bytes


def disk(trained: Sequence[nn.Module], students: int, exported: Sequence[nn.Module]) -> int:
    """Return bytes on disk: two checkpoints at once, every student and its start, and files of what is exported."""
    largest = max(parameters(model) for model in trained)
    kept = (students + 1) * parameters(trained[0])
    files = sum(parameters(model) for model in exported) * 1.3
    return int(BYTES * (2 * CHECKPOINT_COPIES * largest + kept + files))


def check_disk(folder: Path, needed: int, what: str = "the run", option: str = "--out") -> None:
    """Refuse to start when the folder's file system has too little room.

    Args:
        folder: to write in.
        needed: bytes.
        what: needs them.
        option: names another folder.

    Raises:
        UserError: with both numbers.
    """
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(
            f"{what} needs about {needed / 1e9:.2f} GB under {folder} and {free / 1e9:.2f} GB are free: "
            f"make room or give another folder with {option}."
        )
