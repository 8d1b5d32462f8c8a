"""Trains a model that a step has changed, from the teacher's answers or from labels alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors.torch import load_model
from transformers import PreTrainedModel

from distill.activations import LOGITS as ANSWERS
from distill.compression.plan import BY_LABELS, Recovery
from distill.compression.state import State
from distill.objectives import OBJECTIVES
from distill.pipeline import answered
from distill.planning import control_recipe, logits_file, stores_logits
from distill.preparation import Run, taught_rows
from distill.recipes.logits import LOGITS
from distill.recipes.schema import Recipe
from distill.stages import Conditions, recipe_steps, run_recipe, stage_weights

NAME = "recovery"
TAUGHT_ROWS = "teacher-answers.safetensors"


def recovery_recipe(run: Run, how: Recovery, parts: int = 1) -> Recipe:
    """Return the recipe by which a changed model is trained.

    It is the run's last stage where that compares answers alone, else the default recipe's with that stage's settings:
    a changed model may have other layers than any teacher.

    Args:
        run: prepared.
        how: what the user says of it.
        parts: trainings that share the steps.
    """
    last = run.config.recipe.stages[-1]
    if any(OBJECTIVES[name].needs - {ANSWERS} for name in last.objectives):
        last = LOGITS.stages[-1].model_copy(update={"training": last.training})
    recipe = Recipe(name=NAME, stages=(last.model_copy(update={"name": NAME, "progressive": False}),))
    steps = how.steps or recipe_steps(recipe, len(taught_rows(run, run.reading)))[0]
    changes: dict[str, object] = {"max_steps": max(1, steps // parts)}
    if how.rate is not None:
        changes["learning_rate"] = how.rate
    stage = recipe.stages[0]
    training = stage.training.model_copy(update=changes)
    return recipe.model_copy(update={"stages": (stage.model_copy(update={"training": training}),)})


def recover(run: Run, state: State, recipe: Recipe, how: Recovery, seed: int, folder: Path, title: str) -> None:
    """Train the state's model in place; goes on from a checkpoint, and finds finished work again.

    Args:
        run: with its teachers ready.
        state: its model is written to.
        recipe: of `recovery_recipe`.
        how: whose answers it learns from.
        seed: of order and dropout.
        folder: of this training.
        title: of the progress bar.
    """
    special = tuple(state.reading.tokenizer.all_special_ids)
    teacher: PreTrainedModel | None = None
    if how.by == BY_LABELS:
        rows = state.reading.rows.labelled
        recipe = control_recipe(recipe, len(rows))
    else:
        rows, teacher = _taught(run, state, recipe, folder), run.answerer
        if state.own_tokens or run.other_tokens:  # no teacher reads what noise would make of them
            recipe = recipe.without_noise()
    conditions = Conditions(rows, state.reading.collator, seed, title, run.config.bf16, special)
    run_recipe(recipe, state.model, teacher, conditions, folder)
    load_model(state.model, stage_weights(recipe, folder), device=str(state.model.device))
    state.model.eval()


def _taught(run: Run, state: State, recipe: Recipe, folder: Path) -> Dataset:
    """Return rows with the teacher's answers: those of the run, or of as many rows as the training reads."""
    rows = taught_rows(run, state.reading)
    if stores_logits(run):
        return answered(run, rows, logits_file(run.folder))
    (stage,), (steps,) = recipe.stages, recipe_steps(recipe, len(rows))
    read = steps * stage.training.batch_size * stage.training.gradient_accumulation_steps
    return answered(run, rows, folder.parent.parent / TAUGHT_ROWS, _some(len(rows), read, run.config.seed))


def _some(count: int, wanted: int, seed: int) -> Sequence[int] | None:
    if wanted >= count:
        return None
    chosen: list[int] = np.random.default_rng(seed).permutation(count)[:wanted].tolist()
    return chosen
