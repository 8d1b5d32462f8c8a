"""A chain's models on disk: a finished step is found again."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file
from transformers import AutoTokenizer

from distill.compression.state import State
from distill.preparation import Logits, Run, longest_input
from distill.reading import read
from pocketbert.devices import best_device, move
from pocketbert.files import read_json, write_json
from students.building import load_student, save_student

BEGUN, DONE, ANSWERS, FILE = "steps.json", "step.json", "answers.safetensors", "model.onnx"


@dataclass(frozen=True)
class Kept:
    """A model after a step.

    Attributes:
        state: as the next step gets it.
        file: as it would be shipped.
        logits: of that file on the evaluation split, [N, C].
        float_logits: of the model in PyTorch.
        document: all that is told of it, as JSON holds it.
    """

    state: State
    file: Path
    logits: Logits
    float_logits: Logits
    document: Mapping[str, Any]


def keep(kept: Kept, folder: Path) -> None:
    """Write a step's model and what is told of it; the mark that it is finished comes last."""
    save_student(kept.state.model, folder / "model")
    kept.state.reading.tokenizer.save_pretrained(folder / "model")
    save_file({"file": kept.logits, "float": kept.float_logits}, folder / ANSWERS)
    facts = {name: getattr(kept.state, name) for name in ("precision", "method", "ranges", "bits", "own_tokens")}
    write_json(folder / DONE, {"state": facts, "document": dict(kept.document)})


def finished(run: Run, before: State, folder: Path, steps: Sequence[str]) -> Kept | None:
    """Return what a step has made earlier; None where it has not come to its end.

    What another chain has left in this folder is removed.

    Args:
        run: prepared.
        before: the state that the step began with.
        folder: the step's.
        steps: all steps that lead to its end.
    """
    if not is_of(folder, steps):
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / BEGUN, list(steps))
    if not (folder / DONE).is_file():
        return None
    written, answers = read_json(folder / DONE), load_file(folder / ANSWERS)
    model = load_student(folder / "model")
    move(model, best_device())
    state = replace(before, model=model, **written["state"])
    if state.own_tokens:
        tokenizer = AutoTokenizer.from_pretrained(folder / "model")
        state = replace(state, reading=read(run.data, tokenizer, min(run.config.max_length, longest_input(model))))
    return Kept(state, folder / FILE, answers["file"], answers["float"], written["document"])


def is_of(folder: Path, steps: Sequence[str]) -> bool:
    """Tell whether what lies in a step's folder is of this chain."""
    return (folder / BEGUN).is_file() and read_json(folder / BEGUN) == list(steps)
