"""The order of a run on a corpus: teacher, student, stages. Every step finds its finished work again."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from distill.corpus.preparation import Pretraining
from distill.language import Measured, measure_language
from distill.planning import control_recipe
from distill.recipes.schema import TrainingSettings
from distill.stages import Conditions, StageResult, plain_recipe, run_recipe, stage_weights
from distill.starting import found_or_made, start_from_teacher
from distill.teacher_training import TeacherTraining
from pocketbert.devices import best_device, move
from pocketbert.files import fingerprint
from students.building import load_language_model
from students.initialization import Initialisation

STATISTICS_ROWS, STATISTICS_TOKENS = 2048, 8_192
"""At most so many are read for the student's start, whose hidden states are held in memory at once."""

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
    note = f"teacher used as it is: {teacher.reason}" if teacher.ready else head_training(run).carry_out()
    move(teacher.model, best_device())
    teacher.model.eval()
    return note


def head_training(run: Pretraining) -> TeacherTraining:
    """Return the training of a language head for a teacher without one."""
    config = run.config
    settings = [config.teacher_training.model_dump(), config.seed, config.bf16, config.finetune]
    return TeacherTraining(
        teacher=run.teacher,
        done="teacher's language head trained (its encoder frozen)",
        recipe=plain_recipe("teacher", config.teacher_training),
        conditions=conditions(run, "teacher"),
        folder=run.folder / "teacher",
        key=fingerprint([run.teacher.fingerprint, run.corpus.fingerprint, len(run.train), settings]),
        load=load_language_model,
    )


def conditions(run: Pretraining, title: str) -> Conditions:
    """Return what a training on the corpus works with."""
    return Conditions(run.train, run.collator, run.config.seed, title, run.config.bf16, vocabulary=run.vocabulary)


def start_student(run: Pretraining) -> Initialisation:
    """Give the student its starting weights, from the teacher where that helps."""
    if run.given is not None:
        return run.given
    head = head_training(run).key
    settings = [STATISTICS_ROWS, STATISTICS_TOKENS, run.config.seed, run.config.initialisation]
    key = fingerprint([head, run.teacher.ready, len(run.train), run.student.config.to_dict(), *settings])

    def make() -> Initialisation:
        return start_from_teacher(
            run.student,
            run.teacher.model,
            run.train,
            run.collator,
            count=STATISTICS_ROWS,
            tokens=STATISTICS_TOKENS,
            seed=run.config.seed,
            method=run.config.initialisation,
        )

    return found_or_made(run.student, run.folder, key, make)


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
