"""The order of a run: teacher, student, stages. Every step finds its finished work again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from safetensors.torch import save_model
from transformers import PreTrainedModel

from distill.caching import FOLDER, TEXT, CachedCollator
from distill.data.encoding import Collator
from distill.data.sampling import tokens_of
from distill.evaluation import predict
from distill.members import Member, finetuning_key
from distill.planning import cache_key, caching, control_recipe, finetuning, logits_file, stores_logits, teachers_key
from distill.preparation import Logits, Run, student_rows, taught_rows
from distill.reading import Reading
from distill.recipes.schema import Recipe
from distill.stages import WEIGHTS, Conditions, StageResult, is_finished, run_recipe, stage_folder, stage_weights
from distill.starting import found_or_made, start_from_teacher
from distill.units import restore_units, standardise
from pocketbert import processes
from pocketbert.devices import best_device, move
from pocketbert.files import fingerprint
from students.initialization import Initialisation
from students.vocabulary import take_over
from teachers.caching.logits import stored_logits
from teachers.caching.store import error_of
from teachers.ensemble import average

STATISTICS_ROWS, STATISTICS_TOKENS = 2048, 32_768
"""At most so many are read for the student's start."""


@dataclass(frozen=True)
class Trained:
    """One trained model of one seed; `weights` is the file that holds it."""

    seed: int
    weights: Path
    stages: list[StageResult]
    evaluation_logits: Logits


def ready_teachers(run: Run) -> list[str]:
    """Fine-tune each teacher whose head does not fit, or find it fine-tuned; return a line each on what was done."""
    notes = [_ready(run, member) for member in run.members]
    for member in run.members:
        move(member.teacher.model, best_device())
        member.teacher.model.eval()
    if run.trimmed is not None:
        take_over(run.source, run.teacher.model, run.trimmed.kept)
    run.answerer.eval()
    run.member_answers = tuple(answer(run, member.teacher.model, run.reading_of(member)) for member in run.members)
    run.answers = _together(run, run.member_answers)
    return notes


def _together(run: Run, answers: Sequence[Logits]) -> Logits:
    """Return what all teachers say, [N, C], from what each of them does."""
    if len(run.members) == 1:
        return answers[0]
    logits = [torch.from_numpy(each) for each in answers]
    weights = [member.weight for member in run.members]
    averaged: Logits = average(logits, weights, regression=run.task.kind == "regression").numpy()
    return averaged


def _ready(run: Run, member: Member) -> str:
    teacher = member.teacher
    if teacher.ready:
        return f"{member.title} used as it is: {teacher.reason}"
    note = finetuning(run, member).carry_out(lambda: restore_units(teacher.model, run.task))
    standardise(teacher.model, run.task)
    return note


def answer(run: Run, model: PreTrainedModel, reading: Reading | None = None) -> Logits:
    """Return a model's logits on the evaluation split, [N, C]; a regression's in the data's units.

    Args:
        run: made ready.
        model: a sequence classifier.
        reading: of the model's tokenizer; None: the student's.
    """
    own = reading or run.reading
    return run.task.in_units(predict(model, own.rows.evaluation, own.collator))


def start_student(run: Run) -> Initialisation:
    """Give the student its starting weights, from the teacher where that helps."""
    if run.given is not None:
        return run.given
    if run.config.is_teacher:
        run.student.load_state_dict(run.teacher.model.state_dict())
        return Initialisation(method="teacher", description="the teacher itself, which is made smaller", layers=())
    teacher = finetuning_key(run.members[0], run.config, run.data)
    # Other teachers may make texts shorter.
    settings = [STATISTICS_ROWS, tokens_of(run.rows.found), run.config.seed, run.config.initialisation]
    key = fingerprint([teacher, run.teacher.ready, run.inputs["data"], run.student.config.to_dict(), *settings])

    def make() -> Initialisation:
        return start_from_teacher(
            run.student,
            run.source,
            run.rows.found,
            run.collator,
            count=STATISTICS_ROWS,
            tokens=STATISTICS_TOKENS,
            seed=run.config.seed,
            method=run.config.initialisation,
        )

    return found_or_made(run.student, run.folder, key, make)


def ready_cache(run: Run) -> str | None:
    """Keep the teacher's inside where that is worth it; return a line on what is kept, and where."""
    wanted = caching(run)
    if wanted is None or _all_trained(run):
        return None
    key = cache_key(run, wanted)
    if not len(wanted.plan(key).order):
        return f"teacher's states not kept: --cache-gb {run.config.cache_gb:g} has no room for a single text"
    run.cache = wanted.carry_out(key, run.folder / FOLDER, "teacher's states")
    planned = run.cache.plan
    kept = "all texts" if planned.whole else f"the {len(planned.order)} shortest of {len(planned.lengths)} texts"
    return (
        f"teacher's states kept: {kept}, {planned.bytes / 1e9:.2g} GB as {planned.code} (off by "
        f"{100 * error_of(run.cache.folder):.2g} %), in {run.cache.folder}"
    )


def _all_trained(run: Run) -> bool:
    """Tell whether no student is left to train."""
    folders = [run.folder / f"seed-{run.config.seed + number}" / "student" for number in range(run.config.seeds)]
    stages = list(enumerate(run.recipe.stages, start=1))
    return all(is_finished(stage_folder(folder, number, stage)) for folder in folders for number, stage in stages)


def train_student(run: Run, start: dict[str, torch.Tensor], seed: int) -> Trained:
    """Distil the student from its start; one that is its teacher has nothing to learn."""
    if run.config.is_teacher:
        return _untrained(run, start, seed, "student")
    rows, collator = _with_teacher_logits(run, student_rows(run)), run.collator
    if run.cache is None:
        return _train(run, run.recipe, start, rows, seed, "student")
    numbered = rows.add_column(TEXT, np.arange(len(rows)))
    return _train(run, run.recipe, start, numbered, seed, "student", CachedCollator(collator, run.cache))


def train_control(run: Run, start: dict[str, torch.Tensor], seed: int) -> Trained:
    """Train the same student from the same start for the same steps on gold labels, without a teacher."""
    if run.config.is_teacher:
        return _untrained(run, start, seed, "control")
    recipe = control_recipe(run.recipe, len(student_rows(run)))
    return _train(run, recipe, start, run.rows.labelled, seed, "control")


def _train(
    run: Run,
    recipe: Recipe,
    start: dict[str, torch.Tensor],
    rows: Dataset,
    seed: int,
    role: str,
    collator: Collator | None = None,
) -> Trained:
    run.student.load_state_dict(start)
    folder = run.folder / f"seed-{seed}" / role
    teacher = run.answerer if role == "student" else None
    special = tuple(run.reading.tokenizer.all_special_ids)
    conditions = Conditions(rows, collator or run.collator, seed, f"{role}, seed {seed}", run.config.bf16, special)
    stages = run_recipe(recipe, run.student, teacher, conditions, folder)
    logits = answer(run, run.student)
    return Trained(seed, stage_weights(recipe, folder), stages, logits)


def _untrained(run: Run, start: dict[str, torch.Tensor], seed: int, role: str) -> Trained:
    """Keep the student as it starts."""
    run.student.load_state_dict(start)
    weights = run.folder / f"seed-{seed}" / role / WEIGHTS
    weights.parent.mkdir(parents=True, exist_ok=True)
    save_model(run.student, str(weights))
    return Trained(seed, weights, [], answer(run, run.student))


def _with_teacher_logits(run: Run, rows: Dataset) -> Dataset:
    """Store the teacher's logits where that spares it work; the cache may have them."""
    if stores_logits(run) and run.cache is not None and (logits := run.cache.logits()) is not None:
        return rows.add_column("teacher_logits", logits.tolist())
    return answered(run, rows, logits_file(run.folder)) if stores_logits(run) else rows


def answered(run: Run, rows: Dataset, file: Path, chosen: Sequence[int] | None = None) -> Dataset:
    """Return rows with what the teachers say on each, which they are asked once.

    Args:
        run: with its teachers ready.
        rows: that the student learns from.
        file: where the answers are kept.
        chosen: numbers of the rows to take; None: all.
    """
    key = fingerprint([teachers_key(run), run.data.fingerprint, len(rows), None if chosen is None else list(chosen)])
    with processes.first_goes_ahead():
        logits = stored_logits(
            file,
            key,
            lambda: _together(run, [_soft_targets(run, member, chosen) for member in run.members]),
        )
    return _selected(rows, chosen).add_column("teacher_logits", logits.tolist())


def _soft_targets(run: Run, member: Member, chosen: Sequence[int] | None) -> Logits:
    """Return what a teacher says on the student's training rows, [N, C]."""
    reading = run.reading_of(member)
    move(member.teacher.model, best_device())
    title = f"{member.title}'s soft targets"
    return predict(member.teacher.model, _selected(taught_rows(run, reading), chosen), reading.collator, 128, title)


def _selected(rows: Dataset, chosen: Sequence[int] | None) -> Dataset:
    return rows if chosen is None else rows.select(chosen)
