"""What the parts of a run will cost, from a few timed steps."""

from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel

from distill import estimation
from distill.members import finetuning_key
from distill.noise import Noise
from distill.preparation import Run, student_rows
from distill.recipes.schema import Recipe
from distill.stages import build_distiller, is_finished, plain_recipe, recipe_steps, stage_folder
from distill.trainer import steps_done, steps_per_epoch
from pocketbert.devices import best_device, move
from teachers.finetuning import find_finetuned


def estimate(run: Run) -> tuple[estimation.Cost, list[str]]:
    """Estimate what is left of the run from a few timed steps; also return one line a part."""
    config, teacher, student = run.config, run.answerer, run.student
    held = estimation.held_memory([student, teacher])  # the timed steps below leave memory behind
    seeds = range(config.seed, config.seed + config.seeds)
    parts: dict[str, tuple[float, int]] = {}
    unready = [member for member in run.members if not member.teacher.ready]
    for member in unready:
        if find_finetuned(finetuning_key(member, config, run.data), run.folder) is None:
            title, model = f"{member.title} fine-tuning", member.teacher.model
            parts[title] = _left(run, finetuning_recipe(run), model, None, run.rows.labelled, [member.place])
    rows, folders = student_rows(run), [f"seed-{seed}/student" for seed in seeds]
    work = _left(run, config.recipe, student, teacher, rows, folders)
    if work[0] and stores_logits(run) and not logits_file(run.folder).exists():
        move(teacher, best_device())
        parts["teacher's soft targets"] = estimation.seconds_to_answer(teacher, rows, run.collator, 128), 0
    parts[f"student, {config.seeds} seed(s)"] = work
    if config.control:
        folders = [f"seed-{seed}/control" for seed in seeds]
        recipe = control_recipe(config.recipe, len(rows))
        parts[f"control, {config.seeds} seed(s)"] = _left(run, recipe, student, None, run.rows.labelled, folders)
    trained = [student, *(member.teacher.model for member in unready)]
    kept = config.seeds * (2 if config.control else 1) * len(config.recipe.stages)
    cost = estimation.Cost(
        seconds=sum(seconds for seconds, _ in parts.values()),
        memory_bytes=held + estimation.training_memory(trained, max(size for _, size in parts.values())),
        disk_bytes=estimation.disk(trained, kept, [student, run.teacher.model]),
    )
    return cost, [f"{name}: about {seconds:.0f} s" for name, (seconds, _) in parts.items()]


def _left(
    run: Run,
    recipe: Recipe,
    student: PreTrainedModel,
    teacher: PreTrainedModel | None,
    rows: Dataset,
    folders: Sequence[str],
) -> tuple[float, int]:
    """Return the seconds and the activation bytes of the stages that are not finished in the trainings' folders."""
    seconds, size, stored = 0.0, 0, stores_logits(run)
    for number, (stage, steps) in enumerate(zip(recipe.stages, recipe_steps(recipe, len(rows)), strict=True), start=1):
        unfinished = [f for f in folders if not is_finished(stage_folder(run.folder / f, number, stage))]
        if unfinished:
            left = sum(steps - steps_done(stage_folder(run.folder / f, number, stage)) for f in unfinished)
            distiller = build_distiller(stage, student, teacher, run.teacher.tokenizer.all_special_ids)
            move(distiller, best_device())
            batch = min(stage.training.batch_size, len(rows))
            accumulation = stage.training.gradient_accumulation_steps
            for epoch, part in _epochs(stage.noise, steps / steps_per_epoch(stage.training, len(rows))):
                distiller.epoch = epoch
                step = estimation.probe_step(
                    distiller, rows, run.collator, batch, bf16=run.config.bf16, stored_logits=stored
                )
                seconds += part * left * accumulation * step.seconds
                size = max(size, step.activation_bytes)
    return seconds, size


def _epochs(noise: Noise | None, epochs: float) -> list[tuple[int, float]]:
    """Return epochs whose steps cost differently (the teacher reads noisy texts), each with its part of the steps."""
    if noise is None or epochs <= noise.clean_epochs:
        return [(0, 1.0)]
    clean = noise.clean_epochs / epochs
    return [(epoch, part) for epoch, part in ((0, clean), (noise.clean_epochs, 1 - clean)) if part]


def control_recipe(recipe: Recipe, rows: int) -> Recipe:
    """Return the control's recipe with each stage's steps fixed to those of the distilled student."""
    control = recipe.without_teacher()
    stages = tuple(
        stage.model_copy(update={"training": stage.training.model_copy(update={"max_steps": steps})})
        for stage, steps in zip(control.stages, recipe_steps(recipe, rows), strict=True)
    )
    return control.model_copy(update={"stages": stages})


def stores_logits(run: Run) -> bool:
    """Tell whether the teacher has less to read if it answers every row once, and its logits are stored.

    The other way is to ask it in every step; stages that want more of it than logits do so anyway.
    """
    rows, recipe = len(student_rows(run)), run.config.recipe
    asked = sum(
        steps * stage.training.batch_size * stage.training.gradient_accumulation_steps
        for stage, steps in zip(recipe.stages, recipe_steps(recipe, rows), strict=True)
        if build_distiller(stage, run.student, run.answerer).needs_teacher_logits_only
    )
    return asked * run.config.seeds >= rows


def logits_file(folder: Path) -> Path:
    """Return where a run stores its teacher's logits."""
    return folder / "teacher-logits.safetensors"


def finetuning_recipe(run: Run) -> Recipe:
    """Return the plain stage that fits a teacher to the task."""
    return plain_recipe("teacher", run.config.teacher_training)
