"""Objectives: each picks tensors out of the activations, owns its projections, and returns one unweighted loss.

To add one: write a subclass with a `Settings` model and a docstring that names its paper, and put it into
`OBJECTIVES`. The conformance tests run over that dictionary.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from distill import losses
from distill.activations import ATTENTION_SCORES, HIDDEN_STATES, LOGITS, Activations
from distill.shapes import ModelShape
from pocketbert.errors import DoesNotFit
from students.layer_maps import layer_map

Layers = Literal["spread", "uniform", "first", "last"] | list[Annotated[int, Field(ge=0)]]


class ObjectiveSettings(BaseModel):
    """Fields that every objective has."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0


class Objective(nn.Module):
    """One term of a stage's loss.

    Attributes:
        needs: what must be captured from both models.
        teacher: whether a teacher is needed at all.
    """

    Settings: ClassVar[type[ObjectiveSettings]] = ObjectiveSettings
    needs: ClassVar[frozenset[str]] = frozenset({LOGITS})
    teacher: ClassVar[bool] = True

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__()
        self.weight = settings.weight
        if self.teacher and teacher is None:
            raise DoesNotFit(f"{type(self).__name__} needs a teacher")

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the unweighted loss, a scalar."""
        raise NotImplementedError

    def describe(self) -> str:
        """Say in one line what is aligned with what."""
        return (type(self).__doc__ or "").split("\n")[0].rstrip(".")


class HardLabels(Objective):
    """Gold labels: cross entropy, or mean squared error for a regression."""

    teacher = False

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        self._loss = losses.hard_values if student.regression else losses.hard_labels

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss on the rows that have a label."""
        if labels is None:
            return student.logits.sum() * 0.0
        return self._loss(student.logits, labels)

    def describe(self) -> str:
        """Say what is aligned."""
        return "gold labels: " + ("squared error" if self._loss is losses.hard_values else "cross entropy")


class SoftTargets(Objective):
    """Soft targets: divergence from the teacher's distribution (its value, for a regression).

    Hinton et al. 2015, arXiv:1503.02531.
    """

    class Settings(ObjectiveSettings):
        """Adds the temperature, on both sides in training."""

        temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        self._temperature = cast("SoftTargets.Settings", settings).temperature
        self._regression = student.regression

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the divergence from the teacher."""
        assert teacher is not None  # noqa: S101  (the constructor saw to it)
        if self._regression:
            return losses.soft_values(student.logits, teacher.logits)
        return losses.soft_targets(student.logits, teacher.logits, self._temperature)

    def describe(self) -> str:
        """Say what is aligned."""
        if self._regression:
            return "predictions: the student's value with the teacher's"
        return f"predictions: the student's distribution with the teacher's at temperature {self._temperature:g}"


class _Projected(Objective):
    """Compares hidden states through linear projections to the teacher's width, where the widths differ."""

    needs = frozenset({HIDDEN_STATES})

    def _project(self, count: int, student_width: int, teacher_width: int) -> None:
        same = student_width == teacher_width
        self.projections = nn.ModuleList(
            nn.Identity() if same else nn.Linear(student_width, teacher_width) for _ in range(count)
        )
        self._through = "" if same else f" through a {student_width}->{teacher_width} projection"

    def _states(self, activations: Activations | None) -> tuple[Tensor, ...]:
        assert activations is not None and activations.hidden_states is not None  # noqa: S101
        return activations.hidden_states


class EmbeddingMSE(_Projected):
    """Embedding output: mean squared error through a projection.

    TinyBERT, equation 9. The paper's text has a matrix of its own here; so has this class (the authors'
    code shares one with the hidden states).
    """

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        assert teacher is not None  # noqa: S101
        self._project(1, student.embedding, teacher.embedding)

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the error of hidden state 0."""
        projected = self.projections[0](self._states(student)[0])
        return losses.hidden_mse(projected, self._states(teacher)[0], mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"embeddings: the student's output with the teacher's{self._through}"


class HiddenMSE(_Projected):
    """Hidden states: mean squared error of mapped layers through projections, averaged over the layers.

    TinyBERT, equation 8; one matrix a layer, as the paper writes it.
    """

    class Settings(ObjectiveSettings):
        """Adds the layer map: a name or, for each student layer, a teacher layer counted from 0."""

        layers: Layers = "spread"

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        assert teacher is not None  # noqa: S101
        layers = cast("HiddenMSE.Settings", settings).layers
        self._map = layer_map(layers, student.layers, teacher.layers)
        self._project(len(self._map), student.hidden, teacher.hidden)

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the mean over the mapped layers."""
        ours, theirs = self._states(student)[1:], self._states(teacher)[1:]
        terms = [
            losses.hidden_mse(project(ours[i]), theirs[j], mask)
            for i, (j, project) in enumerate(zip(self._map, self.projections, strict=True))
        ]
        return _mean(terms)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"hidden states: {_pairs(self._map)}{self._through}"


class HiddenCosine(_Projected):
    """Last hidden state: cosine with the teacher's (through a projection where the widths differ).

    DistilBERT, L_cos. The paper has equal widths; the projection is our addition.
    """

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        assert teacher is not None  # noqa: S101
        self._project(1, student.hidden, teacher.hidden)

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return one minus the mean cosine."""
        projected = self.projections[0](self._states(student)[-1])
        return losses.hidden_cosine(projected, self._states(teacher)[-1], mask)

    def describe(self) -> str:
        """Say what is aligned."""
        return f"last hidden state: direction of the student's with the teacher's{self._through}"


class AttentionMSE(Objective):
    """Attention scores before the softmax: mean squared error of mapped layers, averaged over the layers.

    TinyBERT, equation 7. Where the teacher has k times the student's heads, each student head is compared
    with the mean of k teacher heads (our addition; the paper has equal counts).
    """

    needs = frozenset({ATTENTION_SCORES})

    class Settings(ObjectiveSettings):
        """Adds the layer map: a name or, for each student layer, a teacher layer counted from 0."""

        layers: Layers = "spread"

    def __init__(self, settings: ObjectiveSettings, student: ModelShape, teacher: ModelShape | None) -> None:
        super().__init__(settings, student, teacher)
        assert teacher is not None  # noqa: S101
        if teacher.heads % student.heads:
            raise DoesNotFit(
                f"attention_mse can't pair {student.heads} heads of student '{student.name}' with {teacher.heads} of "
                f"teacher '{teacher.name}': take a student whose heads divide {teacher.heads}, or a recipe without it "
                "(--recipe logits, --recipe distilbert)."
            )
        self._group = teacher.heads // student.heads
        layers = cast("AttentionMSE.Settings", settings).layers
        self._map = layer_map(layers, student.layers, teacher.layers)

    def forward(self, student: Activations, teacher: Activations | None, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return the mean over the mapped layers."""
        assert teacher is not None and student.attention_scores and teacher.attention_scores  # noqa: S101
        terms = [
            losses.attention_mse(student.attention_scores[i], self._pooled(teacher.attention_scores[j]), mask)
            for i, j in enumerate(self._map)
        ]
        return _mean(terms)

    def _pooled(self, scores: Tensor) -> Tensor:
        return scores.unflatten(1, (-1, self._group)).mean(2) if self._group > 1 else scores

    def describe(self) -> str:
        """Say what is aligned."""
        heads = f", each head with the mean of {self._group} teacher heads" if self._group > 1 else ""
        return f"attention scores: {_pairs(self._map)}{heads}"


def _mean(terms: Sequence[Tensor]) -> Tensor:
    return cast("Tensor", sum(terms)) / len(terms)


def _pairs(layers: Sequence[int]) -> str:
    ours = ", ".join(str(i + 1) for i in range(len(layers)))
    return f"student layers {ours} with teacher layers {', '.join(str(j + 1) for j in layers)}"


OBJECTIVES: dict[str, type[Objective]] = {
    "hard_labels": HardLabels,
    "soft_targets": SoftTargets,
    "embedding_mse": EmbeddingMSE,
    "hidden_mse": HiddenMSE,
    "hidden_cosine": HiddenCosine,
    "attention_mse": AttentionMSE,
}
