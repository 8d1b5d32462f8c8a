"""Loads a folder's model with the head that it was saved with."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModel,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from pocketbert.errors import UserError
from pocketbert.folders import load_config, load_tokenizer
from pocketbert.weights import check_model_folder
from students.reshaping import from_folder

CLASSES: dict[str, Any] = {
    "classification": AutoModelForSequenceClassification,
    "token-classification": AutoModelForTokenClassification,
    "question-answering": AutoModelForQuestionAnswering,
    "embedding": AutoModel,
}
_SUFFIXES = {
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "Model": "embedding",
}
_POOLER = ("pooler.",)
"""Weights that embeddings do without."""


def find_folder(place: Path) -> Path:
    """Return the folder of a model: the place itself, or the student in a run's folder."""
    student = place / "student"
    return student if (student / "config.json").is_file() else place


def load(folder: Path, task: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer.

    Args:
        folder: with config.json, safetensors and a tokenizer.
        task: see `students.exporting.tasks`; None: as the configuration names the saved class.

    Raises:
        UserError: a file is missing or can't be read, the class is none that is exported, or weights are missing.
    """
    check_model_folder(folder)
    saved = (load_config(folder).architectures or [""])[0]
    task = _task(folder, saved, task)
    tokenizer = load_tokenizer(folder)
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, info = from_folder(CLASSES[task], folder, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder} can't be loaded for {task} ({reason}).") from None
    finally:
        transformers_logging.set_verbosity(level)
    missing = [key for key in info["missing_keys"] if task != "embedding" or not key.startswith(_POOLER)]
    if missing:
        raise UserError(
            f"{folder} has no weights for {missing[0]} ({len(missing)} in all): it was saved as {saved or 'no class'}, "
            f"and has no trained head for {task}."
        )
    return model.eval(), tokenizer


def _task(folder: Path, saved: str, asked: str | None) -> str:
    """Return what to load a folder for; raise UserError where that is not what its class is for."""
    own = next((name for suffix, name in _SUFFIXES.items() if saved.endswith(suffix)), None)
    if asked is None and not saved:
        raise UserError(f"{folder / 'config.json'} names no class (architectures): say with --task what it is for.")
    if asked is None and own is None:
        raise UserError(
            f"{folder} was saved as {saved}, whose head is not exported: --task embedding exports its encoder alone."
        )
    # Heads of several tasks have weights of the same names: one would be taken for the other.
    if asked not in (None, own, "embedding") and (own is not None or "For" in saved):
        raise UserError(f"{folder} was saved as {saved}, and has no trained head for {asked}: leave --task out.")
    return str(asked or own)
