"""MiniLM's and MiniLMv2's objectives: how the tokens of one layer relate, whatever its width."""

import math
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field
from torch import Tensor

from distill import losses
from distill.activations import ATTENTION_SCORES, KEYS, QUERIES, VALUES, Activations, Needs
from distill.objectives.base import ObjectiveSettings, TaughtObjective
from distill.shapes import ModelShape
from pocketbert.errors import DoesNotFit

MOST_RELATION_HEADS = 48


class OneLayerSettings(ObjectiveSettings):
    """Adds the teacher's layer, counted from 0; None is its last. The student's is always its last."""

    layer: Annotated[int, Field(ge=0)] | None = None


class _OneLayer(TaughtObjective):
    """Compares the student's last layer with one layer of the teacher."""

    Settings: ClassVar[type[ObjectiveSettings]] = OneLayerSettings

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Choose the teacher's layer."""
        layer = cast("OneLayerSettings", settings).layer
        self._layer = teacher.layers - 1 if layer is None else layer
        self._last = student.layers - 1
        if self._layer >= teacher.layers:
            raise DoesNotFit(f"layer {layer} is asked for and teacher '{teacher.name}' has 0 to {teacher.layers - 1}.")

    def student_needs(self) -> Needs:
        """Return the last layer."""
        return dict.fromkeys(self.needs, frozenset({self._last}))

    def teacher_needs(self) -> Needs:
        """Return the chosen layer."""
        return dict.fromkeys(self.needs, frozenset({self._layer}))

    def _check_equal_heads(self, what: str, student: ModelShape, teacher: ModelShape) -> int:
        """Return the number of heads in the layers that are compared."""
        ours, theirs = student.heads[self._last], teacher.heads[self._layer]
        if ours != theirs:
            raise DoesNotFit(
                f"{what} needs equal numbers of attention heads in the compared layers, and student '{student.name}' "
                f"has {ours}, teacher '{teacher.name}' {theirs}: take --recipe minilmv2, whose relation heads are "
                f"free, or a student with heads={theirs} and a width that they divide."
            )
        return ours

    def _where(self) -> str:
        return f"the student's last layer with teacher layer {self._layer + 1}"


class AttentionDivergence(_OneLayer):
    """Attention distributions of one layer: divergence of the student's from the teacher's.

    MiniLM (Wang et al. 2020, arXiv:2002.10957), L_AT.
    """

    needs = frozenset({ATTENTION_SCORES})

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Choose the teacher's layer and check the heads."""
        super().align(settings, student, teacher)
        self._check_equal_heads("attention_divergence", student, teacher)

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the mean divergence over heads and tokens."""
        ours, theirs = student.layers(ATTENTION_SCORES)[self._last], teacher.layers(ATTENTION_SCORES)[self._layer]
        return losses.attention_divergence(ours, theirs, mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"attention distributions: {self._where()}"


class _Relation(_OneLayer):
    """Relations among a layer's queries, keys or values.

    MiniLMv2 (Wang et al. 2021, arXiv:2012.15828): the heads' vectors side by side, cut anew into relation heads, so
    that the models' own heads may differ. With `relation_heads: attention` the values' is MiniLM's L_VR.
    """

    part: ClassVar[str]

    class Settings(OneLayerSettings):
        """Adds the number of relation heads.

        `attention` takes the models' own heads, which must agree; `most` the largest number up to 48 (the
        paper's, for teachers of base size) that divides both widths.
        """

        relation_heads: Annotated[int, Field(gt=0)] | Literal["attention", "most"] = "most"

    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Choose the teacher's layer and check the heads."""
        super().align(settings, student, teacher)
        asked = cast("_Relation.Settings", settings).relation_heads
        ours, theirs = student.attention[self._last], teacher.attention[self._layer]
        shared = math.gcd(ours, theirs)
        if asked == "attention":
            self._heads = self._check_equal_heads(f"relation_heads {asked}", student, teacher)
        elif asked == "most":
            self._heads = max(n for n in range(1, MOST_RELATION_HEADS + 1) if shared % n == 0)
        elif shared % asked == 0:
            self._heads = asked
        else:
            raise DoesNotFit(
                f"{asked} relation heads do not divide the attention widths {ours} of student "
                f"'{student.name}' and {theirs} of teacher '{teacher.name}': take a divisor of {shared}, "
                "or relation_heads=most."
            )

    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the mean divergence over relation heads and tokens."""
        ours, theirs = student.layers(self.part)[self._last], teacher.layers(self.part)[self._layer]
        return losses.attention_divergence(
            losses.relation_scores(ours, self._heads), losses.relation_scores(theirs, self._heads), mask
        )

    def describe(self) -> str:
        """Say what is aligned."""
        return f"relations among {self.part} in {self._heads} heads: {self._where()}"


class QueryRelation(_Relation):
    """Relations among the queries of one layer (MiniLMv2)."""

    part = QUERIES
    needs = frozenset({QUERIES})


class KeyRelation(_Relation):
    """Relations among the keys of one layer (MiniLMv2)."""

    part = KEYS
    needs = frozenset({KEYS})


class ValueRelation(_Relation):
    """Relations among the values of one layer (MiniLM and MiniLMv2)."""

    part = VALUES
    needs = frozenset({VALUES})
