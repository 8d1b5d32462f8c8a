"""Loads a teacher and tells whether its head fits the task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from pocketbert.errors import UserError
from pocketbert.files import fingerprint, sha256
from pocketbert.folders import load_config, load_tokenizer
from pocketbert.reshaping import from_pretrained
from teachers.sources import locate

Kind = Literal["classification", "regression", "masked-lm"]
HEADS = {"classifier", "pooler", "pre_classifier", "score", "cls", "lm_head", "vocab_transform", "vocab_layer_norm"}
HEADS |= {"vocab_projector", "generator_predictions", "generator_lm_head", "lm_predictions", "predictions"}


@dataclass(frozen=True)
class Teacher:
    """A model with its tokenizer.

    Attributes:
        name: what the user called it.
        folder: where its files are.
        model: a sequence classification model with the task's number of outputs, or a masked language model, in
            evaluation mode.
        tokenizer: its fast tokenizer.
        ready: whether its head was trained for these labels; if not, it must be fine-tuned first.
        reason: one line on why it is ready or not.
        fingerprint: stands for weights, configuration and tokenizer.
    """

    name: str
    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    ready: bool
    reason: str
    fingerprint: str


def load_teacher(name: str, kind: Kind, labels: Sequence[str], *, finetune: bool | None = None) -> Teacher:
    """Load a teacher for a task.

    Args:
        name: a catalogue name, a folder or a Hub id.
        kind: classification, regression, or masked-lm for a corpus.
        labels: class names in id order; empty for the other kinds.
        finetune: True to train its head even if it fits, False to insist that it fits, None to decide by its head.

    Raises:
        UserError: it can't be found or read, has no fast tokenizer, or does not fit though it must.
    """
    folder = locate(name)
    config = load_config(folder)
    order, reason = head_order(config, kind, labels)
    if finetune:
        order, reason = None, "--finetune asks for it"
    model, missing = _load_model(folder, kind, labels, as_it_is=order is not None)
    if order is not None and missing:
        order, reason = None, f"its weights have no {missing[0]}"
    if order is None and finetune is False:
        raise UserError(f"teacher '{name}' does not fit the task as it is ({reason}), and --no-finetune was given.")
    if order is not None:
        _reorder_outputs(model, order)
    _set_labels(model, kind, labels)
    tokenizer = load_tokenizer(folder)
    return Teacher(
        name=name,
        folder=folder,
        model=model.eval(),
        tokenizer=tokenizer,
        ready=order is not None,
        reason=reason,
        fingerprint=fingerprint([*_checksums(folder), tokenizer.backend_tokenizer.to_str()]),
    )


def _load_model(
    folder: Path, kind: Kind, labels: Sequence[str], *, as_it_is: bool
) -> tuple[PreTrainedModel, list[str]]:
    """Return the model and the names of head weights that its file lacks."""
    language = kind == "masked-lm"
    head = {} if as_it_is or language else {"num_labels": 1 if kind == "regression" else len(labels)}
    auto: Any = AutoModelForMaskedLM if language else AutoModelForSequenceClassification
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        model, info = from_pretrained(auto, folder, ignore_mismatched_sizes=not as_it_is, **head)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        wanted = "masked language" if language else "sequence classification"
        raise UserError(f"{folder} can't be loaded as a {wanted} model ({reason}).") from None
    finally:
        transformers_logging.set_verbosity(level)
    _check_encoder(folder, model)
    encoder = [key for key in info["missing_keys"] if not _belongs_to_head(key)]
    if encoder:
        raise UserError(
            f"{folder}: the weights of the encoder are incomplete (no {encoder[0]}, {len(encoder)} in all)."
        )
    return model, sorted(info["missing_keys"])


def _check_encoder(folder: Path, model: PreTrainedModel) -> None:
    """Refuse what has other parts than BERT, which every recipe and start counts on."""
    config = model.config
    sizes = all(hasattr(config, name) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads"))
    if not sizes or not hasattr(model.base_model, "embeddings"):
        raise UserError(
            f"{folder} holds a {config.model_type} model, which is not built like BERT: take an encoder such as BERT, "
            "RoBERTa, ELECTRA, DeBERTa or DistilBERT."
        )


def _belongs_to_head(key: str) -> bool:
    return not HEADS.isdisjoint(key.split("."))


def head_order(config: PreTrainedConfig, kind: Kind, labels: Sequence[str]) -> tuple[list[int] | None, str]:
    """Return which output stands for each of the task's labels, or None; and the reason."""
    architecture = (config.architectures or ["no architecture"])[0]
    if kind == "masked-lm":
        fits = architecture.endswith(("ForMaskedLM", "ForPreTraining"))
        return ([], "it has a language head") if fits else (None, f"it is a {architecture}, without a language head")
    if not architecture.endswith("ForSequenceClassification"):
        return None, f"it is a {architecture}, without a classification head"
    if kind == "regression":
        return ([0], "it has one output") if config.num_labels == 1 else (None, "it is a classifier")
    if config.num_labels != len(labels):
        return None, f"its head has {config.num_labels} classes, the task {len(labels)}"
    names = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    return _match_labels([names[index] for index in sorted(names)], labels)


def _match_labels(theirs: Sequence[str], ours: Sequence[str]) -> tuple[list[int] | None, str]:
    for spelling in (str, str.lower):  # labels that differ in case alone are told apart where that can be
        known, wanted = [spelling(label) for label in theirs], [spelling(label) for label in ours]
        if sorted(known) == sorted(wanted) and len(set(known)) == len(known):
            return [known.index(label) for label in wanted], "its head has these labels"
    generic = all(label.lower() == f"label_{i}" for i, label in enumerate(theirs))
    numbered = all(label == str(i) for i, label in enumerate(ours))
    if generic or numbered:
        pairs = ", ".join(f"{theirs[i]} = {ours[i]}" for i in range(len(ours)))
        return list(range(len(ours))), f"its head has as many classes, taken in this order: {pairs}"
    return None, f"its head has other labels ({', '.join(theirs)})"


def _reorder_outputs(model: PreTrainedModel, order: Sequence[int]) -> None:
    if list(order) == list(range(len(order))):  # also where there are none
        return
    linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    head = linears[-1]
    if head.out_features != len(order):
        raise UserError("the model's labels stand in another order than the data's and its head can't be re-ordered.")
    with torch.no_grad():
        head.weight.copy_(head.weight[list(order)].clone())
        if head.bias is not None:
            head.bias.copy_(head.bias[list(order)].clone())


def _set_labels(model: PreTrainedModel, kind: Kind, labels: Sequence[str]) -> None:
    if kind == "masked-lm":
        return
    model.config.problem_type = "regression" if kind == "regression" else "single_label_classification"
    if labels:
        model.config.id2label = dict(enumerate(labels))
        model.config.label2id = {label: index for index, label in enumerate(labels)}


def _checksums(folder: Path) -> list[str]:
    return [sha256(file) for file in (folder / "config.json", *sorted(folder.glob("*.safetensors")))]
