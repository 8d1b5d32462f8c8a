"""Proves a float32 file against PyTorch over several shapes, padding included."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel

from pocketbert.errors import UserError
from students.exporting.answers import torch_answers
from students.exporting.lengths import longest_text
from students.exporting.running import open_session
from students.exporting.tasks import task_of

SHAPES = ((1, 1), (1, 16), (3, 33), (2, 128))
"""Batch and length; each row of a batch is shorter than the one before it, by a fifth."""

LIMIT = 1e-3
"""Of the difference, as a share of the largest number: more is another model, not rounding."""

Feed = dict[str, npt.NDArray[np.int64]]


def check_shapes(model: PreTrainedModel, path: Path) -> None:
    """Raise UserError if a float32 file differs from PyTorch; see `worst_difference`."""
    if not (worst := worst_difference(model, path)) <= LIMIT:
        raise UserError(f"float32 differs from PyTorch by {worst:.2g} of the largest answer.")


def worst_difference(model: PreTrainedModel, path: Path) -> float:
    """Return the largest difference between a file and PyTorch over all shapes, as a share of the largest number.

    NaN where either answers what is no number.

    Args:
        model: of a class that is exported.
        path: of its float32 file.

    Raises:
        UserError: the file can't be run.
    """
    task = task_of(model)
    if task is None:
        raise ValueError(f"{type(model).__name__} has no task")
    session = open_session(path, threads=None)
    longest, differences = longest_text(model) or SHAPES[-1][1], list[float]()
    for batch, length in SHAPES:
        feed = _feed(model, batch, min(length, longest))
        ours = session.run(list(task.outputs), {x.name: feed[x.name] for x in session.get_inputs()})
        theirs = torch_answers(model, task, feed)
        # Of padding any answer may come.
        kept = feed["attention_mask"].astype(bool) if task.each_token else np.ones(batch, bool)
        for name, values in zip(task.outputs, ours, strict=True):
            largest = max(float(np.abs(theirs[name][kept]).max()), 1e-6)
            differences.append(float(np.abs(theirs[name][kept] - values[kept]).max()) / largest)
    return float(np.max(differences))  # Python's max would pass NaN over


def _feed(model: PreTrainedModel, batch: int, length: int) -> Feed:
    generator = np.random.default_rng(length)
    pad, special = model.config.pad_token_id or 0, 5
    ids = generator.integers(special, model.config.vocab_size, (batch, length), dtype=np.int64)
    lengths = np.array([max(1, round(length * 0.8**row)) for row in range(batch)])[:, None]
    mask = (np.arange(length) < lengths).astype(np.int64)
    types = generator.integers(max(1, getattr(model.config, "type_vocab_size", 1)), size=ids.shape, dtype=np.int64)
    return {"input_ids": np.where(mask == 1, ids, pad), "attention_mask": mask, "token_type_ids": types}
