"""Runs one stage of a recipe: resumes from its last checkpoint, and is not run again once finished."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_model, save_model
from torch import nn
from transformers import PreTrainedModel, TrainerState, set_seed

from distill.caching import TEXT
from distill.checkpoints import TRAINER_STATE, latest_checkpoint
from distill.data.encoding import Collator
from distill.distiller import Distiller
from distill.masking import Vocabulary
from distill.objectives import OBJECTIVES
from distill.optimizer import sparse_gradients
from distill.progressive_trainer import ProgressiveTrainer
from distill.projections import fit_projections
from distill.recipes.schema import Recipe, Stage, TrainingSettings
from distill.shapes import shape_of
from distill.trainer import SECONDS, DistillTrainer, seconds_trained, total_steps, training_arguments
from pocketbert import processes
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_json
from students.fake_quantization import is_attached, load_ranges, read_ranges, write_ranges
from students.fake_quantization.ranges import RANGES

DONE = "stage.json"
WEIGHTS = "student.safetensors"
PROJECTIONS = "projections.safetensors"


@dataclass(frozen=True)
class StageResult:
    """What is kept of a finished stage.

    Attributes:
        name: the stage's.
        steps: optimizer steps in all.
        seconds: wall time of the training, all parts of a resumed one together.
        resumed: whether it went on from a checkpoint.
        history: logged losses, one mapping per logging step.
    """

    name: str
    steps: int
    seconds: float
    resumed: bool
    history: list[dict[str, float]]


def build_distiller(
    stage: Stage,
    student: PreTrainedModel,
    teacher: PreTrainedModel | None,
    special_ids: Sequence[int] = (),
    vocabulary: Vocabulary | None = None,
) -> Distiller:
    """Build a stage's objectives for these two models.

    Args:
        stage: names the objectives and their settings.
        student: trained.
        teacher: None for a stage of gold labels alone.
        special_ids: of the tokenizer, for a stage with noise.
        vocabulary: of the tokenizer, for masked language models.

    Raises:
        DoesNotFit: an objective can't align them.
    """
    ours, theirs = shape_of(student, "student"), shape_of(teacher, "teacher") if teacher is not None else None
    objectives = {}
    for name, document in stage.objectives.items():
        settings = OBJECTIVES[name].Settings.model_validate(document)
        objectives[name] = OBJECTIVES[name](settings, ours, theirs)
    masking = None if vocabulary is None else (vocabulary, stage.masking)
    distiller = Distiller(student, objectives, teacher, stage.noise, special_ids, masking)
    _embeddings(student).requires_grad_(not stage.training.freeze_embeddings)
    if stage.training.freeze_encoder:
        student.base_model.requires_grad_(False)
    return distiller


def alignment(recipe: Recipe, student: PreTrainedModel, teacher: PreTrainedModel) -> list[str]:
    """Return a line for each objective of each stage: what it aligns and how.

    Raises:
        DoesNotFit: one can't align these two.
    """
    return [
        f"{stage.name}: {objective.describe()}"  # type: ignore[operator]  # mypy: ModuleDict values are Modules
        for stage in recipe.stages
        for objective in build_distiller(stage, student, teacher).objectives.values()
    ]


def asks_teacher(stage: Stage) -> bool:
    """Tell whether any of the stage's objectives needs a teacher."""
    return any(OBJECTIVES[name].teacher for name in stage.objectives)


def recipe_steps(recipe: Recipe, rows: int) -> list[int]:
    """Return the optimizer steps of each stage over `rows` rows."""
    return [total_steps(stage.training, rows) for stage in recipe.stages]


def check_progression(recipe: Recipe, layers: int, rows: int) -> None:
    """Check that a stage that goes layer by layer comes to every layer.

    Raises:
        UserError: it has fewer steps than the student has layers.
    """
    for stage, steps in zip(recipe.stages, recipe_steps(recipe, rows), strict=True):
        if stage.progressive and steps < layers:
            raise UserError(
                f"stage '{stage.name}' goes layer by layer and has {steps} steps for {layers} layers: give it more, "
                f"such as --set training.max_steps={20 * layers}, or take --recipe mobilebert-joint."
            )


@dataclass(frozen=True)
class Conditions:
    """What all stages of one training share.

    Attributes:
        rows: encoded rows with `length`, `teacher_logits` where they are stored, and `TEXT` where the collator has
            more of the teacher.
        collator: makes batches.
        seed: of order, dropout and projections.
        title: what the progress bars call the training.
        bf16: autocast to bfloat16.
        special_ids: the tokenizer's tokens that noise leaves alone.
        vocabulary: the tokenizer's, where the rows are a corpus whose tokens are to be masked.
    """

    rows: Dataset
    collator: Collator
    seed: int
    title: str
    bf16: bool = False
    special_ids: tuple[int, ...] = ()
    vocabulary: Vocabulary | None = None


def run_recipe(
    recipe: Recipe, student: PreTrainedModel, teacher: PreTrainedModel | None, conditions: Conditions, folder: Path
) -> list[StageResult]:
    """Train the student in place through all stages; finished ones are loaded instead of run.

    Args:
        recipe: its stages run in order.
        student: trained in place.
        teacher: None for a control or a plain fine-tuning.
        conditions: rows, seed and the like.
        folder: of this training; each stage has a folder inside.
    """
    return [
        _run_stage(stage, student, teacher, conditions, stage_folder(folder, number, stage))
        for number, stage in enumerate(recipe.stages, start=1)
    ]


def stage_folder(folder: Path, number: int, stage: Stage) -> Path:
    """Return the folder of a recipe's stage, numbered from 1."""
    return folder / f"{number:02d}-{stage.name}"


def stage_weights(recipe: Recipe, folder: Path) -> Path:
    """Return the file with the student as the recipe's last stage left it."""
    return stage_folder(folder, len(recipe.stages), recipe.stages[-1]) / WEIGHTS


def is_finished(folder: Path) -> bool:
    """Tell whether a stage's folder holds its finished result."""
    return (folder / DONE).exists()


def _run_stage(
    stage: Stage, student: PreTrainedModel, teacher: PreTrainedModel | None, conditions: Conditions, folder: Path
) -> StageResult:
    if is_finished(folder):
        load_model(student, folder / WEIGHTS, device=str(student.device))
        if is_attached(student):
            load_ranges(student, read_ranges(folder / RANGES))
        return StageResult(**read_json(folder / DONE))
    rows, seed = conditions.rows, conditions.seed
    set_seed(seed)
    distiller = build_distiller(stage, student, teacher, conditions.special_ids, conditions.vocabulary)
    dropout = _set_dropout(student, stage.training.dropout)
    with processes.first_goes_ahead():
        checkpoint = latest_checkpoint(folder)
    if checkpoint is None and stage.projections == "fitted":
        fit_projections(distiller, rows, conditions.collator, seed)
    arguments = training_arguments(stage.training, folder, len(rows), seed, bf16=conditions.bf16)
    title = f"{conditions.title}: {stage.name}"
    trainer_class = ProgressiveTrainer if stage.progressive else DistillTrainer
    trainer = trainer_class(distiller, arguments, _columns(rows, stage, distiller), conditions.collator, title)
    with sparse_gradients(student.get_input_embeddings(), wanted=conditions.vocabulary is None):
        state = train(trainer, distiller, checkpoint)
    _restore_dropout(dropout)
    result = StageResult(
        name=stage.name,
        steps=state.global_step,
        seconds=seconds_trained(state),
        resumed=checkpoint is not None,
        history=_history(stage.name, state.log_history),
    )
    _finish(folder, distiller, result)
    return result


def train(trainer: DistillTrainer, distiller: Distiller, checkpoint: Path | None) -> TrainerState:
    """Train to the end; a checkpoint that stands at the end already is loaded, or the Trainer would add a step."""
    if checkpoint is not None:
        state: TrainerState = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE))
        if state.global_step >= trainer.args.max_steps:
            load_model(distiller, checkpoint / "model.safetensors", device=str(distiller.student.device))
            if is_attached(distiller.student):
                load_ranges(distiller.student, read_ranges(checkpoint / RANGES))
            return state
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        trainer.close()
    return trainer.state


def _columns(rows: Dataset, stage: Stage, distiller: Distiller) -> Dataset:
    unused = {"teacher_logits", TEXT} if not asks_teacher(stage) else set[str]()
    if distiller.needs_teacher_logits_only and "teacher_logits" in rows.column_names:
        unused.add(TEXT)
    return rows.remove_columns([name for name in rows.column_names if name in unused])


def _history(stage: str, log: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    dropped = {"epoch", "grad_norm", "total_flos", SECONDS}
    kept = [entry for entry in log if "loss" in entry]
    return [{"stage": stage, **{key: value for key, value in entry.items() if key not in dropped}} for entry in kept]


def _finish(folder: Path, distiller: Distiller, result: StageResult) -> None:
    """Keep student and projections apart, mark the stage as done, drop its checkpoints.

    Raises:
        UserError: the weights are not finite (the loss of the very last step can't show it).
    """
    if not all(torch.isfinite(parameter).all() for parameter in distiller.parameters()):
        raise UserError(f"stage '{result.name}' ended with weights that are not numbers: lower its learning rate.")
    if not processes.is_first():
        return
    folder.mkdir(parents=True, exist_ok=True)
    save_model(distiller.student, str(folder / WEIGHTS))
    if is_attached(distiller.student):
        write_ranges(distiller.student, folder / RANGES)
    if any(True for _ in distiller.objectives.parameters()):
        save_model(distiller.objectives, str(folder / PROJECTIONS))
    write_json(folder / DONE, asdict(result))
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def _embeddings(model: PreTrainedModel) -> nn.Module:
    """Return the module with word, position and type embeddings (all families of transformers name it so)."""
    return model.base_model.get_submodule("embeddings")


def _set_dropout(model: nn.Module, rate: float | None) -> list[tuple[nn.Dropout, float]]:
    found = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    before = [(module, module.p) for module in found]
    if rate is not None:
        for module in found:
            module.p = rate
    return before


def _restore_dropout(rates: Sequence[tuple[nn.Dropout, float]]) -> None:
    for module, rate in rates:
        module.p = rate


def plain_recipe(name: str, training: TrainingSettings) -> Recipe:
    """Return the recipe of an ordinary fine-tuning: gold labels alone."""
    return Recipe(name=name, stages=(Stage(name="finetuning", objectives={"hard_labels": {}}, training=training),))
