"""What every objective has."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, cast

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from distill.activations import LOGITS, Activations, Needs
from distill.shapes import ModelShape
from pocketbert.errors import DoesNotFit
from pocketbert.validation import Document
from students.layer_maps import LAYER_MAPS


def _layers(value: object) -> object:
    """Say in one sentence what layers may be, where pydantic would name each way to be wrong."""
    listed = isinstance(value, list) and all(isinstance(each, int) and each >= 0 for each in value)
    if not listed and not (isinstance(value, str) and value in LAYER_MAPS):
        text = "write {names}, or the teacher's layers from 0, such as [0, 2, 4, 5]"
        raise PydanticCustomError("layers", text, {"names": ", ".join(LAYER_MAPS)})
    return value


Layers = Annotated[str | list[int], BeforeValidator(_layers)]


class ObjectiveSettings(Document):
    """Fields that every objective has."""

    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0


class Objective(nn.Module, ABC):
    """One term of a stage's loss.

    Attributes:
        needs: what must be captured from both models, of all their layers unless `student_needs` or `teacher_needs`
            say which.
        teacher: whether a teacher is needed at all.
        layerwise: whether it has a term for each layer, so that a stage can go layer by layer.
    """

    Settings: ClassVar[type[ObjectiveSettings]] = ObjectiveSettings
    needs: ClassVar[frozenset[str]] = frozenset({LOGITS})
    teacher: ClassVar[bool] = False
    layerwise: ClassVar[bool] = False

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__()
        self.weight = settings.weight

    @abstractmethod
    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the unweighted loss, a scalar."""

    def student_needs(self) -> Needs:
        """Return what is looked at of the student."""
        return dict.fromkeys(self.needs)

    def teacher_needs(self) -> Needs:
        """Return what is looked at of the teacher; nothing where none is needed."""
        return dict.fromkeys(self.needs) if self.teacher else {}

    def share(self, labels: Tensor | None) -> Tensor | None:
        """Return the share of the batch that the loss is about, by which the logged value is divided; None for all."""
        return None

    def describe(self) -> str:
        """Say in one line what is aligned with what."""
        return (type(self).__doc__ or "").split("\n")[0].rstrip(".")


class TaughtObjective(Objective):
    """One that compares the student with its teacher; the gold labels do not count.

    Raises:
        DoesNotFit: there is no teacher.
    """

    teacher = True

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        if teacher is None:
            raise DoesNotFit(f"{type(self).__name__} needs a teacher")
        self.align(settings, student, teacher)

    @abstractmethod
    def align(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape) -> None:
        """Check that the two fit together, and make what the comparison needs.

        Raises:
            DoesNotFit: they do not; the message names a way out.
        """

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the unweighted loss, a scalar."""
        if teacher is None:
            raise DoesNotFit(f"{type(self).__name__} needs a teacher")
        return self.compare(student, teacher, mask)

    @abstractmethod
    def compare(self, student: Activations, teacher: Activations, mask: Tensor) -> Tensor:
        """Return the unweighted loss, a scalar."""


def mean(terms: Sequence[Tensor]) -> Tensor:
    """Return the mean of scalars."""
    return cast("Tensor", sum(terms)) / len(terms)


def pairs(layers: Sequence[int]) -> str:
    """Say which student layers meet which teacher layers, counted from 1."""
    ours = ", ".join(str(i + 1) for i in range(len(layers)))
    return f"student layers {ours} with teacher layers {', '.join(str(j + 1) for j in layers)}"
