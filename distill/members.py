"""The teachers of a run: one, or several whose answers are averaged."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from distill.config import RunConfig
from distill.data.tasks import Task, TaskData
from pocketbert.errors import UserError
from pocketbert.files import fingerprint
from teachers.ensemble import Ensemble
from teachers.loading import Teacher, load_teacher


@dataclass(frozen=True)
class Member:
    """One of a run's teachers.

    Attributes:
        teacher: the model, its tokenizer and whether it is ready.
        seed: that it is fine-tuned with; a name that is given again gets the next one.
        place: its folder's name in the run's folder.
        weight: of its answer.
    """

    teacher: Teacher
    seed: int
    place: str
    weight: float

    @property
    def title(self) -> str:
        """What to call it on the screen: "teacher", "teacher 2" and so on."""
        return self.place.replace("-", " ")


def load_members(config: RunConfig, task: Task) -> tuple[Member, ...]:
    """Load a run's teachers.

    Raises:
        UserError: one can't be loaded, or is given twice though its head is trained already.
    """
    members: list[Member] = []
    for number, name in enumerate(config.teachers):
        seed = config.seed + config.teachers[:number].count(name)
        set_seed(seed)
        teacher = load_teacher(name, task.kind, task.labels, finetune=config.finetune)
        if teacher.ready and seed > config.seed:
            raise UserError(
                f"--teacher {name} is given twice and its head is trained for the task already: its average with "
                "itself is itself. Name it once, or add --finetune to train it again with another seed each."
            )
        place = f"teacher-{number + 1}" if number else "teacher"
        weight = config.teacher_weights[number] if config.teacher_weights else 1.0
        members.append(Member(teacher, seed, place, weight))
    return tuple(members)


def answerer(members: Sequence[Member]) -> PreTrainedModel:
    """Return the model that answers for all members: the only one, or their average."""
    if len(members) == 1:
        return members[0].teacher.model
    return Ensemble([member.teacher.model for member in members], [member.weight for member in members])


def finetuning_key(member: Member, config: RunConfig, data: TaskData) -> str:
    """Return what stands for everything that decides a fine-tuned teacher."""
    task = data.task
    return fingerprint(
        [
            member.teacher.fingerprint,
            fingerprint(data.train[:]),
            task.kind,
            task.labels,
            config.teacher_training.model_dump(),
            config.max_length,
            member.seed,
            config.bf16,
            *([task.mean, task.deviation] if task.kind == "regression" else []),
        ]
    )


def differing_tokens(ours: PreTrainedTokenizerBase, theirs: PreTrainedTokenizerBase) -> str | None:
    """Say how two tokenizers differ; None where they make the same tokens of a text."""
    differing = len(ours.get_vocab().items() ^ theirs.get_vocab().items())
    if differing:
        return f"{len(ours)} and {len(theirs)} pieces, {differing} of them in one alone or under another number"
    first, second = (json.loads(tokenizer.backend_tokenizer.to_str()) for tokenizer in (ours, theirs))
    parts = [part for part in ("normalizer", "pre_tokenizer", "post_processor") if first[part] != second[part]]
    return f"their {parts[0]} differs" if parts else None
