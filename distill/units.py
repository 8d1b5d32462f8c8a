"""A regression trains in standard units and answers outside in the data's."""

from transformers import PreTrainedModel

from distill.data.tasks import Task
from students.units import rescale


def standardise(model: PreTrainedModel, task: Task) -> None:
    """Let a regression that answers in the data's units answer in standard ones, in which models train."""
    if task.kind == "regression":
        rescale(model, 1 / task.deviation, -task.mean / task.deviation)


def restore_units(model: PreTrainedModel, task: Task) -> None:
    """Let a regression answer in the data's units, as whoever gets its files expects."""
    if task.kind == "regression":
        rescale(model, task.deviation, task.mean)
