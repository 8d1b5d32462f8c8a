"""What the parts of a run will cost, from a few timed steps."""

from collections.abc import Sequence

from transformers import PreTrainedModel

from distill import estimation
from distill.preparation import Run, student_rows
from distill.recipes.schema import Recipe
from distill.stages import build_distiller, is_finished, plain_recipe, recipe_steps, stage_folder
from teachers.finetuning import find_finetuned


def estimate(run: Run) -> tuple[estimation.Cost, list[str]]:
    """Estimate what is left of the run from a few timed steps; also return one line a part."""
    config, teacher, student = run.config, run.teacher, run.student
    control = config.recipe.without_teacher()
    parts: dict[str, float] = {}
    if not teacher.ready and find_finetuned(run.finetuning_key, run.folder) is None:
        parts["teacher fine-tuning"] = _left(run, finetuning_recipe(run), teacher.model, None, ["teacher"])
    seeds = range(config.seed, config.seed + config.seeds)
    folders = [f"seed-{seed}/student" for seed in seeds]
    parts[f"student, {config.seeds} seed(s)"] = _left(run, config.recipe, student, teacher.model, folders)
    if config.control:
        folders = [f"seed-{seed}/control" for seed in seeds]
        parts[f"control, {config.seeds} seed(s)"] = _left(run, control, student, None, folders)
    trained = [student] if teacher.ready else [student, teacher.model]
    kept = config.seeds * (2 if config.control else 1) * len(config.recipe.stages)
    cost = estimation.Cost(
        seconds=sum(parts.values()),
        memory_bytes=estimation.memory(trained, teacher.model),
        disk_bytes=estimation.disk(trained, kept, [student, teacher.model]),
    )
    return cost, [f"{name}: about {seconds:.0f} s" for name, seconds in parts.items()]


def _left(
    run: Run, recipe: Recipe, student: PreTrainedModel, teacher: PreTrainedModel | None, folders: Sequence[str]
) -> float:
    """Return the seconds of the stages that are not finished in the trainings' folders."""
    rows = run.rows.labelled if student is run.teacher.model else student_rows(run)
    seconds = 0.0
    for number, (stage, steps) in enumerate(zip(recipe.stages, recipe_steps(recipe, len(rows)), strict=True), start=1):
        unfinished = [f for f in folders if not is_finished(stage_folder(run.folder / f, number, stage))]
        if unfinished:
            distiller = build_distiller(stage, student, teacher)
            batch = min(stage.training.batch_size, len(rows))
            step = estimation.seconds_per_step(distiller, rows, run.collator, batch, bf16=run.config.bf16)
            seconds += len(unfinished) * steps * step
    return seconds


def finetuning_recipe(run: Run) -> Recipe:
    """Return the plain stage that fits a teacher to the task."""
    return plain_recipe("teacher", run.config.teacher_training)
