"""The resolved settings of a run, and the folder that belongs to them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, model_validator

from distill.augmentation.settings import Augmentation
from distill.compression.plan import THE_TEACHER
from distill.recipes.schema import Positive, Recipe, TrainingSettings
from pocketbert import processes
from pocketbert.devices import choose_bf16
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_json

CONFIG_FILE = "config.json"
LOCK = ".lock"
"""Held while a run is at work in its folder."""

TEACHER_TRAINING = TrainingSettings(epochs=3, min_steps=200, batch_size=64, learning_rate=1e-4, freeze_embeddings=True)


class RunConfig(BaseModel):
    """Everything that decides a run's result; written to `config.json` in the run's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    teachers: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    student: Annotated[str, Field(min_length=1)]
    data: Annotated[str, Field(min_length=1)]
    recipe: Recipe
    teacher_weights: tuple[Positive, ...] | None = None
    metric: str | None = None
    text_columns: tuple[str, ...] | None = None
    label_column: str | None = None
    unlabelled: str | None = None
    augmentation: Augmentation | None = None
    labelled_rows: int | None = None
    train_rows: int | None = None
    evaluation_rows: int | None = None
    regression: bool | None = None
    packed: bool = True
    max_length: Annotated[int, Field(ge=8)] = 128
    initialisation: str = "auto"
    teacher_training: TrainingSettings = TEACHER_TRAINING
    finetune: bool | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    seeds: Annotated[int, Field(ge=1, lt=10_000)] = 1
    control: bool = False
    bf16: bool = False
    cache_gb: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    cache_precision: Literal["fp16", "bf16", "int8", "fp32"] = "fp16"
    compress: str | None = None
    max_loss: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.03

    @model_validator(mode="after")
    def _a_weight_each(self) -> "RunConfig":
        if self.teacher_weights is not None and len(self.teacher_weights) != len(self.teachers):
            raise UserError(
                f"--teacher-weight is given {len(self.teacher_weights)} times and --teacher {len(self.teachers)}: give "
                "a weight for each teacher, in the same order, or none."
            )
        return self

    @property
    def is_teacher(self) -> bool:
        """Whether the student is the teacher itself, which only compression makes smaller."""
        return self.student == THE_TEACHER

    @property
    def teacher(self) -> str:
        """What to call the teacher, or all of them together."""
        return " + ".join(self.teachers)


# What may differ between two runs of one folder: more seeds, a control or a chain of compression are work added, not
# other work, and how much of the teacher is kept changes the time, and numbers by their rounding alone.
ADDITIVE = ("seeds", "control", "cache_gb", "compress", "max_loss")


def check_folder(folder: Path, config: RunConfig, inputs: Mapping[str, str] | None = None) -> None:
    """Check that a folder is free or bound to the same settings and inputs; changes nothing.

    Args:
        folder: the run's.
        config: the run's settings.
        inputs: fingerprints of the contents of data, teacher and student; None when they are not known yet.

    Raises:
        UserError: the folder holds a run with other settings or inputs (naming them), is not a run's folder, or can't
            be written.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"{folder} can't be written ({existing} is no folder that can): give another --out.")
    path = folder / CONFIG_FILE
    if path.exists():
        document = _read(path)
        before = document.pop("inputs", {})
        differing = differences(document, config.model_dump(mode="json"))
        differing += [
            f"the content of {name} changed" for name, content in (inputs or {}).items() if before.get(name) != content
        ]
        if differing:
            raise UserError(
                f"{folder} holds a run with other settings ({'; '.join(differing[:3])}): give another --out, or delete "
                "that folder if its run is not needed."
            )
    elif folder.exists() and any(path.name != LOCK for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no run: give another --out.")


def grown(config: RunConfig, folder: Path) -> RunConfig:
    """Return the settings with the seeds and the control that a folder's run has already: none is taken away."""
    path = folder / CONFIG_FILE
    before = _read(path) if path.exists() else {}
    seeds, control = before.get("seeds", 1), before.get("control", False)
    return config.model_copy(update={"seeds": max(config.seeds, seeds), "control": config.control or control})


def in_faster_precision(config: RunConfig, folder: Path) -> tuple[RunConfig, str]:
    """Return the settings with the precision of a folder's run, or else with what is faster here, and a line on why."""
    path = folder / CONFIG_FILE
    before = _read(path).get("bf16") if path.exists() else None
    bf16, reason = choose_bf16() if before is None else (bool(before), "as this folder's run has it")
    bf16, reason = processes.agreed((bf16, reason))
    return config.model_copy(update={"bf16": bf16}), reason


def claim_folder(folder: Path, config: RunConfig, inputs: Mapping[str, str]) -> None:
    """Bind a run's folder to its settings and inputs; see `check_folder` for the errors."""
    check_folder(folder, config, inputs)
    write_json(folder / CONFIG_FILE, config.model_dump(mode="json") | {"inputs": dict(inputs)})


def take_folder(folder: Path, config: RunConfig, inputs: Mapping[str, str], lock: FileLock) -> None:
    """Bind the folder to a run, and keep any other that is at work out of it; may be called again."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder}: another run is at work in it: let it end, or give another --out.") from None
    claim_folder(folder, config, inputs)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = read_json(path)
    except ValueError:
        raise UserError(f"{path} is damaged: delete the folder or give another --out.") from None
    kinds = {"seeds": int, "control": bool, "bf16": bool}
    if not isinstance(document, dict) or any(
        name in document and not isinstance(document[name], kind) for name, kind in kinds.items()
    ):
        raise UserError(f"{path} is damaged: delete the folder or give another --out.")
    return document


def differences(theirs: Any, ours: Any, name: str = "") -> list[str]:  # noqa: ANN401  (what JSON can hold)
    """Say in what two JSON-like documents differ, a line a field; work that was only added is no difference."""
    if name in ADDITIVE:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = [*ours, *(key for key in theirs if key not in ours)]
        parts = [differences(theirs.get(key), ours.get(key), f"{name}.{key}".lstrip(".")) for key in keys]
        return [text for part in parts for text in part]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        parts = [differences(a, b, f"{name}.{i}") for i, (a, b) in enumerate(zip(theirs, ours, strict=True))]
        return [text for part in parts for text in part]
    return [] if theirs == ours else [f"{name}: {theirs} there, {ours} here"]
