"""What is left of trainings, from a few timed steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn
from transformers import PreTrainedModel

from distill import estimation
from distill.activations import Needs
from distill.checkpoints import steps_done
from distill.noise import Noise
from distill.recipes.schema import Recipe
from distill.stages import Conditions, build_distiller, is_finished, recipe_steps, stage_folder
from distill.trainer import steps_per_epoch
from pocketbert.devices import best_device, move


class Work(NamedTuple):
    """What is left of trainings that share a recipe: seconds, and the bytes that a step keeps for its backward pass."""

    seconds: float
    activation_bytes: int


def total(parts: Mapping[str, Work], trained: Sequence[nn.Module], held: int, disk: int) -> estimation.Cost:
    """Return the cost of all parts together.

    Args:
        parts: one after the other.
        trained: models that any of them trains.
        held: bytes in use before anything is trained.
        disk: bytes on disk.
    """
    largest = max((work.activation_bytes for work in parts.values()), default=0)
    return estimation.Cost(
        seconds=sum(work.seconds for work in parts.values()),
        memory_bytes=held + estimation.training_memory(trained, largest),
        disk_bytes=disk,
    )


def told(parts: Mapping[str, Work]) -> str:
    """Say what each part costs, in one line."""
    return "; ".join(f"{name}: about {work.seconds:.0f} s" for name, work in parts.items()) or "nothing to train"


def remaining(
    recipe: Recipe,
    student: PreTrainedModel,
    teacher: PreTrainedModel | None,
    conditions: Conditions,
    folders: Sequence[Path],
    *,
    stored: Needs | None = None,
) -> Work:
    """Return the seconds and the activation bytes of the stages that are not finished in the trainings' folders.

    Args:
        recipe: of all the trainings.
        student: trained.
        teacher: None for gold labels alone.
        conditions: rows and the like.
        folders: one a training.
        stored: what will be stored of the teacher.
    """
    rows, seconds, size = conditions.rows, 0.0, 0
    for number, (stage, steps) in enumerate(zip(recipe.stages, recipe_steps(recipe, len(rows)), strict=True), start=1):
        unfinished = [folder for folder in folders if not is_finished(stage_folder(folder, number, stage))]
        if unfinished:
            left = sum(steps - steps_done(stage_folder(folder, number, stage)) for folder in unfinished)
            distiller = build_distiller(stage, student, teacher, conditions.special_ids, conditions.vocabulary)
            move(distiller, best_device())
            batch = min(stage.training.batch_size, len(rows))
            accumulation = stage.training.gradient_accumulation_steps
            for epoch, part in _epochs(stage.noise, steps / steps_per_epoch(stage.training, len(rows))):
                distiller.epoch = epoch
                step = estimation.probe_step(
                    distiller, rows, conditions.collator, batch, bf16=conditions.bf16, stored=stored
                )
                seconds += part * left * accumulation * step.seconds
                size = max(size, step.activation_bytes)
    return Work(seconds, size)


def _epochs(noise: Noise | None, epochs: float) -> list[tuple[int, float]]:
    """Return epochs whose steps cost differently (the teacher reads noisy texts), each with its part of the steps."""
    if noise is None or epochs <= noise.clean_epochs:
        return [(0, 1.0)]
    clean = noise.clean_epochs / epochs
    return [(epoch, part) for epoch, part in ((0, clean), (noise.clean_epochs, 1 - clean)) if part]
