"""What a task is, and a task with its rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from distill.metrics import Kind

Values = NDArray[np.floating[Any]]
TEXT, TEXT_PAIR, LABEL = "text", "text_pair", "label"


@dataclass(frozen=True)
class Task:
    """What is to be learnt.

    Attributes:
        name: short, for titles and folders.
        kind: "classification" or "regression".
        text_columns: the source's one or two text columns.
        label_column: the source's label column.
        labels: class names in the order of their ids; () for regression.
        metric: a name in `METRICS`.
        mean, deviation: of a regression's training targets; models train on (target - mean) / deviation.
    """

    name: str
    kind: Kind
    text_columns: tuple[str, ...]
    label_column: str
    labels: tuple[str, ...]
    metric: str
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def pairs(self) -> bool:
        """Whether a row holds two texts."""
        return len(self.text_columns) == 2

    @property
    def outputs(self) -> int:
        """Number of outputs of a head: the classes, or 1 for regression."""
        return len(self.labels) or 1

    def in_units(self, values: Values) -> Values:
        """Return what a model of standardised targets answers in the data's own units; classes as they are."""
        return values if self.kind == "classification" else values * self.deviation + self.mean

    def standardised(self, targets: Values) -> Values:
        """Return targets as models train on them; classes as they are."""
        return targets if self.kind == "classification" else (targets - self.mean) / self.deviation

    def as_dict(self) -> dict[str, Any]:
        """Return the task as JSON holds it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "text_columns": list(self.text_columns),
            "label_column": self.label_column,
            "labels": list(self.labels),
            "metric": self.metric,
        }


@dataclass(frozen=True)
class TaskData:
    """A task with its rows.

    Attributes:
        task: what is to be learnt.
        train: columns `text`, (`text_pair`), `label` (int64 class id, or float32).
        evaluation: the same columns.
        unlabelled: the text columns alone; None without any.
        augmented: the last unlabelled rows that are changed copies of others.
        repeated: evaluation rows whose text stands in train too.
        messages: what was found, taken and dropped, a line each.
        fingerprint: 16 hexadecimal digits that stand for the task and the content of all splits.
    """

    task: Task
    train: Dataset
    evaluation: Dataset
    unlabelled: Dataset | None
    repeated: int
    messages: tuple[str, ...]
    fingerprint: str
    augmented: int = 0
