"""Objectives that compare states of student and teacher, through linear projections where the widths differ."""

from abc import abstractmethod

from torch import Tensor, nn

from distill.activations import HIDDEN_STATES, Activations
from distill.objectives.base import TaughtObjective


class Projected(TaughtObjective):
    """Compares hidden states through linear projections to the teacher's width, where the widths differ.

    Attributes:
        projections: one for each pair of states; without effect where the widths agree.
        linear: whether they have weights, which a stage solves for before it trains them (`distill.projections`).
    """

    needs = frozenset({HIDDEN_STATES})

    def _project(self, count: int, student_width: int, teacher_width: int) -> None:
        self.linear = student_width != teacher_width
        self.projections = nn.ModuleList(
            nn.Linear(student_width, teacher_width) if self.linear else nn.Identity() for _ in range(count)
        )
        self._through = f" through a {student_width}->{teacher_width} projection" if self.linear else ""

    @abstractmethod
    def states(self, student: Activations, teacher: Activations) -> list[tuple[Tensor, Tensor]]:
        """Return for each projection the states that it takes and the teacher's that it is compared with.

        They are [B, L, H], or [B, H] where they are of one token.
        """
