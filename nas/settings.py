"""What a search was asked for, and what of that decides what its numbers mean."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from distill.config import RunConfig
from nas.footprint import Setting
from nas.goals import Goals
from nas.scoring import Score
from nas.search_space import SearchSpace
from pocketbert.files import fingerprint
from pocketbert.validation import Document

FINALIST_TIMES = 3
"""As many steps as in the search are those of the best, before one is chosen."""


class ProxySettings(Document):
    """How a candidate is scored.

    Attributes:
        steps: of a candidate's distillation.
        rungs: how often candidates are compared on the way; 1 stops none early.
        share: of the candidates at a rung that go on.
        strategy: "proxy": each is distilled; "supernet": each is a slice of one student that is trained first.
        supernet_steps: of that one's training.
    """

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    rungs: Annotated[int, Field(ge=1, le=20)] = 2
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    strategy: Literal["proxy", "supernet"] = "proxy"
    supernet_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 400


@dataclass(frozen=True)
class Request:
    """A search as asked for, checked as far as it can be without data and teacher.

    Attributes:
        config: of the run that prepares data and teacher, and of those that finish students; its student is the
            hand-made one that candidates are compared with.
        space_texts: restrictions of the space from the command line.
        space_document: those from a file.
        goals: objectives and limits.
        proxy: how a candidate is scored.
        setting: what latency is measured at.
        device: a latency model's file, for a device that is not here.
        method: of `nas.sampling`.
        trials: students in all.
        minutes: of searching.
        storage: where the study is; None: a file in `out`.
        name: of the study.
        out: the search's folder.
        baseline: search at random for as long, too, to compare with.
        finish: so many of the best are distilled with the whole recipe.
        finalists: so many of the best are distilled for longer before one is chosen.
        compare: finish the hand-made student, too.
        finishing: the options of `distill.run` for finishing, but for student and folder.
    """

    config: RunConfig
    space_texts: tuple[str, ...]
    space_document: dict[str, Any]
    goals: Goals
    proxy: ProxySettings
    setting: Setting
    device: Path | None
    method: str
    trials: int
    minutes: float
    storage: str | None
    name: str
    out: Path
    baseline: bool
    finish: int
    finalists: int
    compare: bool
    finishing: tuple[str, ...]


def study_settings(
    request: Request, method: str, goals: Goals, space: SearchSpace, inputs: dict[str, str]
) -> dict[str, Any]:
    """Return everything that decides what a trial's numbers mean, as plain data.

    Args:
        request: of the search.
        method: that chooses the students.
        goals: as asked for; the limit that holds without any is the first worker's to say.
        space: of the students.
        inputs: fingerprints of data and teacher.
    """
    config = request.config.model_dump(mode="json")
    device = None if request.device is None else request.device.read_text(encoding="utf-8")
    return {
        "data": inputs["data"],
        "teacher": [config["teachers"], config["teacher_training"], config["finetune"], inputs["teacher"]],
        "space": space.describe(),
        "heads": [[family.smallest_head, family.largest_head] for family in space.families],
        "family": [family.family for family in space.families],
        "goals": goals.model_dump(mode="json"),
        "proxy": request.proxy.model_dump(mode="json"),
        "scores": list(Score._fields),
        "latency": vars(request.setting) | {"device": None if device is None else fingerprint(device)},
        "method": method,
        "seed": config["seed"],
        "max_length": config["max_length"],
        "initialisation": config["initialisation"],
        "bf16": config["bf16"],
    }
