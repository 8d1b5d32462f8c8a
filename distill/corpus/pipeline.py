"""The order of a run on a corpus: teacher, student, stages. Every step finds its finished work again."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, set_seed

from distill.corpus.preparation import Pretraining
from distill.language import Measured, measure_language
from distill.planning import control_recipe
from distill.recipes.schema import Recipe, TrainingSettings
from distill.stages import Conditions, StageResult, plain_recipe, run_recipe, stage_weights
from pocketbert import processes
from pocketbert.devices import best_device, move
from pocketbert.files import fingerprint
from students.building import load_language_model, save_student
from students.initialization import Initialisation, initialise
from teachers.finetuning import adopt, find_finetuned, mark_finetuned

STATISTICS_ROWS = 512
STATISTICS_BATCH = 64
HEAD_TRAINING = TrainingSettings(
    epochs=1, max_steps=400, batch_size=32, learning_rate=1e-3, dropout=0, freeze_encoder=True
)
"""For a teacher without a language head: its encoder stays as it is."""


@dataclass(frozen=True)
class Trained:
    """A trained model; `weights` is the file that holds it."""

    weights: Path
    stages: list[StageResult]
    measured: Measured


def ready_teacher(run: Pretraining) -> str:
    """Train the teacher's language head if it has none, or find it trained; return a line on what was done."""
    teacher = run.teacher
    note = f"teacher used as it is: {teacher.reason}"
    if not teacher.ready:
        found = find_finetuned(head_key(run), run.folder)
        note = f"teacher's language head trained earlier, reused from {found}"
        if found is None:
            note = f"teacher's language head trained first, its encoder frozen: {teacher.reason}"
            found = _train_head(run)
        folder = adopt(found, run.folder / "teacher") if processes.is_first() else found
        teacher.model.load_state_dict(load_language_model(folder).state_dict())
    move(teacher.model, best_device())
    teacher.model.eval()
    return note


def head_recipe(run: Pretraining) -> Recipe:
    """Return the plain stage that trains a teacher's head."""
    return plain_recipe("teacher", run.config.teacher_training)


def head_key(run: Pretraining) -> str:
    """Return what stands for everything that decides a trained head."""
    config = run.config
    settings = [config.teacher_training.model_dump(), config.seed, config.bf16, config.finetune]
    return fingerprint([run.teacher.fingerprint, run.corpus.fingerprint, len(run.train), settings])


def _train_head(run: Pretraining) -> Path:
    folder, model = run.folder / "teacher", run.teacher.model
    results = run_recipe(head_recipe(run), model, None, conditions(run, "teacher"), folder)
    if processes.is_first():
        save_student(model, folder)
        run.teacher.tokenizer.save_pretrained(folder)
        mark_finetuned(folder, head_key(run), {"seconds": results[0].seconds, "steps": results[0].steps})
        for stage in folder.glob("[0-9][0-9]-*"):
            shutil.rmtree(stage)
    processes.wait()
    return folder


def conditions(run: Pretraining, title: str) -> Conditions:
    """Return what a training on the corpus works with."""
    return Conditions(run.train, run.collator, run.config.seed, title, run.config.bf16, vocabulary=run.vocabulary)


def start_student(run: Pretraining) -> Initialisation:
    """Give the student its starting weights, from the teacher where that helps."""
    set_seed(run.config.seed)
    move(run.teacher.model, "cpu")
    move(run.student, "cpu")
    chosen = np.random.default_rng(run.config.seed).permutation(len(run.train))[:STATISTICS_ROWS]
    rows = [{"input_ids": run.train[int(number)]["input_ids"]} for number in chosen]
    batches = [run.collator(rows[s : s + STATISTICS_BATCH]) for s in range(0, len(rows), STATISTICS_BATCH)]
    return initialise(run.student, run.teacher.model, batches, method=run.config.initialisation)


def training_folder(run: Pretraining, role: str) -> Path:
    """Return the folder of the student's stages, or of its control's."""
    return run.folder / f"seed-{run.config.seed}" / role


def train(run: Pretraining, role: str) -> Trained:
    """Train the student ("student"), or its control without a teacher ("control"), from where it stands."""
    teacher = run.teacher.model if role == "student" else None
    recipe = run.config.recipe if teacher else control_recipe(run.config.recipe, len(run.train))
    folder = training_folder(run, role)
    stages = run_recipe(recipe, run.student, teacher, conditions(run, role), folder)
    return Trained(stage_weights(recipe, folder), stages, measure(run, run.student, role))


def measure(run: Pretraining, model: PreTrainedModel, title: str) -> Measured:
    """Measure a model on held-out text, beside the teacher."""
    teacher = None if model is run.teacher.model else run.teacher.model
    return measure_language(model, run.held_out, teacher, f"measuring: {title}")
