"""What a recipe is made of: data that a user can print, copy, change and run."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from distill.masking import Masking
from distill.noise import Noise
from distill.objectives import OBJECTIVES
from pocketbert.errors import UserError, unknown
from pocketbert.validation import Document, validated

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TrainingSettings(Document):
    """How a stage trains; the names are those of `transformers.TrainingArguments` where it has them.

    Attributes:
        epochs: passes over the stage's rows.
        min_steps: optimizer steps below which `epochs` does not go, so that small data is passed more often.
        max_epochs: passes that `min_steps` does not go beyond; None sets no limit.
        max_steps: exact number of steps; overrides both.
        batch_size: rows per device and forward pass.
        dropout: the student's while this stage trains; None keeps what the model has.
        freeze_embeddings: leave the embeddings as they are; faster, and less to overfit on small data.
        freeze_encoder: train the head alone.
    """

    epochs: Positive = 3
    min_steps: Annotated[int, Field(ge=0)] = 0
    max_epochs: Positive | None = None
    max_steps: Annotated[int, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(gt=0)] = 32
    gradient_accumulation_steps: Annotated[int, Field(gt=0)] = 1
    learning_rate: Positive = 1e-4
    scheduler: Literal["linear", "cosine", "constant"] = "linear"
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.06
    weight_decay: NonNegative = 0.01
    gradient_clipping: NonNegative = 1.0
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    freeze_embeddings: bool = False
    freeze_encoder: bool = False


class Stage(Document):
    """One training run inside a recipe.

    Attributes:
        name: of its folder and its bar.
        objectives: settings of each loss, by name.
        noise: changes to texts that were seen before; needs a teacher, so a control has none.
        masking: which tokens are hidden, where the data are a corpus.
        progressive: train the student's layers one after the other (`distill.progression`).
        projections: "fitted" to the student as it starts the stage, or "random" as in the papers; trained then.
        training: how it trains.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    objectives: dict[str, dict[str, Any]]
    noise: Noise | None = None
    masking: Masking = Masking()
    progressive: bool = False
    projections: Literal["fitted", "random"] = "fitted"
    training: TrainingSettings = TrainingSettings()

    @field_validator("objectives", mode="before")
    @classmethod
    def _empty_is_the_default(cls, value: Any) -> Any:  # noqa: ANN401  (what YAML holds)
        if not isinstance(value, dict):
            return value
        return {name: {} if settings is None else settings for name, settings in value.items()}

    @field_validator("objectives")
    @classmethod
    def _known(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Validate each objective's settings and fill in what was left out."""
        for name in value:
            if name not in OBJECTIVES:
                raise unknown("objective", name, OBJECTIVES)
        filled = {
            name: validated(OBJECTIVES[name].Settings, settings, f"objective '{name}'").model_dump()
            for name, settings in value.items()
        }
        if not any(settings["weight"] for settings in filled.values()):
            raise UserError("a stage needs at least one objective with a weight above 0")
        return {name: settings for name, settings in filled.items() if settings["weight"]}

    @model_validator(mode="after")
    def _layerwise(self) -> "Stage":
        other = [name for name in self.objectives if not OBJECTIVES[name].layerwise]
        if self.progressive and other:
            known = ", ".join(name for name, objective in OBJECTIVES.items() if objective.layerwise)
            raise UserError(f"a progressive stage goes layer by layer, and {other[0]} does not: take {known}")
        return self


class Recipe(Document):
    """A named list of stages."""

    name: str
    paper: str = ""
    stages: tuple[Stage, ...]

    @model_validator(mode="after")
    def _distinct(self) -> "Recipe":
        if not self.stages:
            raise UserError(f"recipe '{self.name}' has no stages")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise UserError(f"recipe '{self.name}': two stages share a name ({', '.join(names)})")
        return self

    def without_noise(self) -> "Recipe":
        """Return the same recipe on texts as they are."""
        stages = tuple(stage.model_copy(update={"noise": None}) for stage in self.stages)
        return self.model_copy(update={"stages": stages})

    def without_teacher(self) -> "Recipe":
        """Return the control: the same stages with gold labels as the only objective."""
        alone = {"hard_labels": {"weight": 1.0}}
        stages = tuple(
            stage.model_copy(update={"objectives": _checked(alone), "noise": None, "progressive": False})
            for stage in self.stages
        )
        return self.model_copy(update={"name": f"{self.name} without a teacher", "stages": stages})


def _checked(objectives: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return Stage(name="check", objectives=objectives).objectives
