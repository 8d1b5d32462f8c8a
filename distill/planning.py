"""What the parts of a run will cost, from a few timed steps."""

from collections.abc import Callable, Mapping
from pathlib import Path

from datasets import Dataset

from distill import estimation
from distill.activations import LOGITS, Needs, joined
from distill.caching import FOLDER, Caching
from distill.data.sampling import tokens_of
from distill.members import Member, finetuning_key
from distill.preparation import Run, student_rows, taught_rows
from distill.recipes.schema import Recipe, Stage
from distill.remaining import Work, remaining, told, total
from distill.stages import Conditions, asks_teacher, build_distiller, plain_recipe, recipe_steps
from distill.teacher_training import TeacherTraining
from pocketbert import processes
from pocketbert.devices import best_device, move
from pocketbert.files import fingerprint
from students.building import load_student
from teachers.caching.plan import text_bytes

STATES = "teacher's states"
WORTH_KEEPING = 1.2
"""How often texts must be read for the teacher's inside to be kept: writing it takes a little more than asking once."""


def estimate(
    run: Run, more: Callable[[], Mapping[str, Work]] = dict, more_disk: int = 0
) -> tuple[estimation.Cost, str]:
    """Estimate what is left of the run from a few timed steps; also return a line on its parts.

    Args:
        run: prepared.
        more: what comes after the student's training.
        more_disk: bytes that it leaves on disk.
    """
    config, teacher, student = run.config, run.answerer, run.student
    held = estimation.held_memory([student, teacher])  # the timed steps below leave memory behind
    seeds = range(config.seed, config.seed + config.seeds)
    parts: dict[str, Work] = {}
    unready = [member for member in run.members if not member.teacher.ready]
    for member in unready:
        work = finetuning(run, member).remaining()
        if work.seconds:
            parts[f"{member.title} fine-tuning"] = work
    rows, folders = student_rows(run), [run.folder / f"seed-{seed}/student" for seed in seeds]
    conditions = conditions_of(run, rows)
    cache = caching(run)
    stored = joined({LOGITS: None} if stores_logits(run) else {}, cache.needs if cache else {})
    planned = cache.plan(cache_key(run, cache)) if cache else None
    work = Work(0, 0)
    if not config.is_teacher:
        work = remaining(run.recipe, student, teacher, conditions, folders, stored=stored)
        if planned is not None and not planned.whole and work.seconds:
            logits = {LOGITS: None} if stores_logits(run) else {}
            asking = remaining(run.recipe, student, teacher, conditions, folders, stored=logits)
            work = _in_parts(work, asking, planned.share)
    kept_bytes, asked = 0, False
    if cache is not None and planned is not None and work.seconds:
        asked = planned.whole and LOGITS in cache.needs
        left = cache.left(planned, run.folder / FOLDER)
        if len(left):
            kept_bytes = int(text_bytes(planned.parts, planned.code, planned.lengths[left]).sum())
            parts[f"{STATES}, {kept_bytes / 1e9:.2g} GB kept"] = Work(cache.seconds(left), 0)
    if work.seconds and stores_logits(run) and not asked and not logits_file(run.folder).exists():
        parts["teacher's soft targets"] = Work(sum(_seconds_to_answer(run, member) for member in run.members), 0)
    if not config.is_teacher:
        parts[f"student, {config.seeds} seed(s)"] = work
    if config.control and not config.is_teacher:
        folders = [run.folder / f"seed-{seed}/control" for seed in seeds]
        recipe = control_recipe(run.recipe, len(rows))
        labelled = conditions_of(run, run.rows.labelled)
        parts[f"control, {config.seeds} seed(s)"] = remaining(recipe, student, None, labelled, folders)
    parts |= more()
    trained = [student, *(member.teacher.model for member in unready)]
    kept = config.seeds * (2 if config.control else 1) * len(config.recipe.stages)
    disk = estimation.disk(trained, kept, [student, run.teacher.model]) + kept_bytes + more_disk
    return total(parts, trained, held, disk), told(parts)


def _in_parts(kept: Work, asked: Work, share: float) -> Work:
    """Return what trainings cost that find so much of what they read kept, and ask the teacher about the rest."""
    seconds = share * kept.seconds + (1 - share) * asked.seconds
    return Work(seconds, max(kept.activation_bytes, asked.activation_bytes))


def _seconds_to_answer(run: Run, member: Member) -> float:
    reading, model = run.reading_of(member), member.teacher.model
    move(model, best_device())
    return estimation.seconds_to_answer(model, taught_rows(run, reading), reading.collator, 128)


def conditions_of(run: Run, rows: Dataset) -> Conditions:
    """Return what a student's trainings share, as far as their cost goes."""
    special = tuple(run.reading.tokenizer.all_special_ids)
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

    The other way is to ask it in every step; stages that want more of it than logits do so anyway. A teacher that reads
    other tokens than the student can't be asked with the student's batches.
    """
    rows, recipe = len(student_rows(run)), run.recipe
    if run.config.is_teacher:  # its answers are its own
        return False
    if run.other_tokens:
        return any(asks_teacher(stage) for stage in recipe.stages)
    asked = sum(
        steps * stage.training.batch_size * stage.training.gradient_accumulation_steps
        for stage, steps in zip(recipe.stages, recipe_steps(recipe, rows), strict=True)
        if build_distiller(stage, run.student, run.answerer).needs_teacher_logits_only
    )
    return asked * run.config.seeds * processes.count() >= rows


def caching(run: Run) -> Caching | None:
    """Return what of the teacher's inside is worth being kept; None where it is not, or can't be.

    Kept answers are those of texts as they are: a corpus, whose tokens are hidden anew in every step, has none.
    """
    rows, recipe, config = student_rows(run), run.recipe, run.config
    if not config.cache_gb or run.other_tokens or config.is_teacher:
        return None
    needs: Needs = {}
    logits: Needs = {}
    read = 0.0
    for stage, steps in zip(recipe.stages, recipe_steps(recipe, len(rows)), strict=True):
        distiller = build_distiller(stage, run.student, run.answerer)
        if distiller.teacher_needs and not distiller.needs_teacher_logits_only:
            needs = joined(needs, distiller.teacher_needs)
            read += _unchanged(stage, steps, len(rows))
        elif distiller.teacher_needs:
            logits = distiller.teacher_needs  # while the teacher is asked anyway
    if read * config.seeds < WORTH_KEEPING * len(rows):
        return None
    return Caching(run.answerer, joined(needs, logits), rows, run.collator, config.cache_precision, config.cache_gb)


def cache_key(run: Run, wanted: Caching) -> str:
    """Return what stands for the teachers, the texts and what is kept of them."""
    return fingerprint([teachers_key(run), run.data.fingerprint, len(wanted.rows), wanted.noted()])


def teachers_key(run: Run) -> list[list[object]]:
    """Return what decides the teachers' answers, besides the texts."""
    return [
        [
            [run.config.max_length, run.config.bf16]
            if member.teacher.ready
            else finetuning_key(member, run.config, run.data),
            member.teacher.fingerprint,
            member.weight,
            tokens_of(taught_rows(run, run.reading_of(member))),
        ]
        for member in run.members
    ]


def _unchanged(stage: Stage, steps: int, rows: int) -> float:
    """Return how many texts a stage reads as they are, without noise."""
    read = steps * stage.training.batch_size * stage.training.gradient_accumulation_steps * processes.count()
    if stage.noise is None:
        return read
    clean = min(read, stage.noise.clean_epochs * rows)
    return clean + (read - clean) * (1 - stage.noise.share)


def logits_file(folder: Path) -> Path:
    """Return where a run stores its teacher's logits."""
    return folder / "teacher-logits.safetensors"


def finetuning(run: Run, member: Member) -> TeacherTraining:
    """Return the training that fits a teacher to the task."""
    reading = run.reading_of(member)
    return TeacherTraining(
        teacher=member.teacher,
        done=f"{member.title} fine-tuned",
        recipe=plain_recipe("teacher", run.config.teacher_training),
        conditions=Conditions(reading.rows.labelled, reading.collator, member.seed, member.title, run.config.bf16),
        folder=run.folder / member.place,
        key=finetuning_key(member, run.config, run.data),
        load=load_student,
    )
