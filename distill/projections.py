"""Projections that are solved for before they are trained.

The papers begin with random projections, above students whose layers are random too. A student that is cut out of its
teacher is near it already, and a random projection would pull it away first: the closed form lets it stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn

from distill.data.encoding import MODEL_INPUTS, Collator
from distill.distiller import Distiller
from distill.objectives.projected import Projected
from pocketbert.devices import best_device, move
from students.regression import ridge_of_moments

ROWS, TOKENS = 1024, 16_384
BATCH = 16  # all layers of both models are held for one at once
STRENGTH = 1e-2
"""Ridge penalty as a share of the states' mean variance: few rows stand behind a projection of first tokens."""


def fit_projections(distiller: Distiller, rows: Dataset, collator: Collator, seed: int) -> None:
    """Give each linear projection of a Distiller's objectives its least-squares solution.

    The same for the same rows and seed; the global random state is left alone.

    Args:
        distiller: its student as it starts the stage.
        rows: encoded; up to `ROWS` of them are drawn, and read up to `TOKENS` tokens.
        collator: pads batches.
        seed: of the draw.
    """
    objectives = [each for each in distiller.objectives.values() if isinstance(each, Projected) and each.linear]
    if not objectives:
        return
    move(distiller, best_device())
    training = distiller.training
    distiller.eval()
    sums: dict[nn.Module, _Moments] = {}
    drawn = rows.select(np.random.default_rng(seed).permutation(len(rows))[:ROWS])
    for batch in _batches(drawn, collator):
        inputs = {name: tensor.to(distiller.student.device) for name, tensor in batch.items()}
        with torch.no_grad():
            student, teacher = distiller.observe(inputs)
            for objective in objectives:
                states = objective.states(student, teacher)
                for linear, (ours, theirs) in zip(objective.projections, states, strict=True):
                    real = inputs["attention_mask"].bool() if ours.dim() == 3 else slice(None)
                    sums.setdefault(linear, _Moments()).add(ours[real].float(), theirs[real].float())
    for linear, moments in sums.items():
        assert isinstance(linear, nn.Linear)  # noqa: S101  (for type checkers: a ModuleList's members are Modules)
        moments.solve(linear)
    distiller.train(training)


def _batches(rows: Dataset, collator: Collator) -> Iterable[Mapping[str, Tensor]]:
    inputs = rows.select_columns([name for name in MODEL_INPUTS if name in rows.column_names])
    read = 0
    for start in range(0, len(inputs), BATCH):
        if read >= TOKENS:
            return
        batch = collator([inputs[i] for i in range(start, min(start + BATCH, len(inputs)))])
        read += int(batch["attention_mask"].sum())
        yield batch


@dataclass
class _Moments:
    """Sums over states seen so far, in double precision."""

    count: int = 0
    sums: list[Tensor] = field(default_factory=list)

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """Take more states, [N, in] and [N, out]."""
        parts = [inputs.sum(0), targets.sum(0), inputs.T @ inputs, inputs.T @ targets]
        doubled = [part.double() for part in parts]
        self.sums = [old + new for old, new in zip(self.sums, doubled, strict=True)] if self.sums else doubled
        self.count += len(inputs)

    def solve(self, linear: nn.Linear) -> None:
        """Write the solution with its intercept."""
        ours, theirs, gram, cross = (each / self.count for each in self.sums)
        slope = ridge_of_moments(gram - torch.outer(ours, ours), cross - torch.outer(ours, theirs), STRENGTH)
        with torch.no_grad():
            linear.weight.copy_(slope)
            linear.bias.copy_(theirs - slope @ ours)
