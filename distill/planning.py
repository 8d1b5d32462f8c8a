"""What the parts of a run will cost, from a few timed steps."""

from pathlib import Path

from datasets import Dataset

from distill import estimation
from distill.members import finetuning_key
from distill.preparation import Run, student_rows
from distill.recipes.schema import Recipe
from distill.remaining import remaining
from distill.stages import Conditions, build_distiller, plain_recipe, recipe_steps
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
            labelled = _conditions(run, run.rows.labelled)
            parts[title] = remaining(finetuning_recipe(run), model, None, labelled, [run.folder / member.place])
    rows, folders = student_rows(run), [run.folder / f"seed-{seed}/student" for seed in seeds]
    conditions = _conditions(run, rows)
    work = remaining(config.recipe, student, teacher, conditions, folders, stored_logits=stores_logits(run))
    if work[0] and stores_logits(run) and not logits_file(run.folder).exists():
        move(teacher, best_device())
        parts["teacher's soft targets"] = estimation.seconds_to_answer(teacher, rows, run.collator, 128), 0
    parts[f"student, {config.seeds} seed(s)"] = work
    if config.control:
        folders = [run.folder / f"seed-{seed}/control" for seed in seeds]
        recipe = control_recipe(config.recipe, len(rows))
        labelled = _conditions(run, run.rows.labelled)
        parts[f"control, {config.seeds} seed(s)"] = remaining(recipe, student, None, labelled, folders)
    trained = [student, *(member.teacher.model for member in unready)]
    kept = config.seeds * (2 if config.control else 1) * len(config.recipe.stages)
    cost = estimation.Cost(
        seconds=sum(seconds for seconds, _ in parts.values()),
        memory_bytes=held + estimation.training_memory(trained, max(size for _, size in parts.values())),
        disk_bytes=estimation.disk(trained, kept, [student, run.teacher.model]),
    )
    return cost, [f"{name}: about {seconds:.0f} s" for name, (seconds, _) in parts.items()]


def _conditions(run: Run, rows: Dataset) -> Conditions:
    special = tuple(run.teacher.tokenizer.all_special_ids)
    return Conditions(rows, run.collator, run.config.seed, "estimate", run.config.bf16, special)


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
