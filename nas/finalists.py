"""The best of a search are distilled for longer before one of them is chosen.

A short distillation tells a wide student from a narrow one badly, and the highest of many scores is partly luck.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from tqdm.auto import tqdm

from nas.denoising import denoised
from nas.front import Candidate, alike
from nas.scoring import Score, Scorer
from students.spec import StudentSpec

_LONGER = "longer"


@dataclass(frozen=True)
class Finalist:
    """A student that was distilled for longer.

    Attributes:
        candidate: what the search knew of it.
        steps: of the longer distillation.
        score: after it.
    """

    candidate: Candidate
    steps: int
    score: Score

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        before = {"quality_in_search": self.candidate.quality, "distance_in_search": self.candidate.distance}
        return self.candidate.document() | before | {"steps": self.steps, **self.score._asdict()}


def finalists(
    study: optuna.Study,
    found: Sequence[Candidate],
    count: int,
    noise: float,
    steps: int,
    scorer: Callable[[], Scorer],
    parse: Callable[[str], StudentSpec],
    stopped: Sequence[Candidate] = (),
    own: Candidate | None = None,
) -> list[Finalist]:
    """Distil the best for longer; return them, the best first.

    What counts is the metric drawn towards what the distance from the teacher tells (see `nas.denoising`), since the
    metric alone is noisy. The hand-made student stands before all that are worse than it in either of the two.

    One whose longer training diverges is left out.

    What was done before is kept in the study and found again.

    Args:
        study: of the search.
        found: its students within the limits, the best first.
        count: of those that the evaluation rows hardly tell from the best, so many; fewer than two are not distilled.
        noise: see `nas.front.alike`.
        steps: of the longer distillation.
        scorer: returns what distils them; called where one is needed.
        parse: returns what a student's text stands for.
        stopped: students that were stopped early; the best of them may be among the best of all.
        own: the hand-made student, which is distilled beside them.
    """
    seen = [*found, *stopped]
    drawn = dict(zip(seen, _drawn([Score(each.quality, each.distance) for each in seen], noise), strict=True))
    chosen = sorted([*alike(found, noise), *stopped], key=lambda each: (-drawn[each], each.distance))[:count]
    if own is not None and own.student not in {each.student for each in chosen}:
        chosen.append(own)
    if len(chosen) < 2:
        return []
    scores = {each.student: kept_score(study, steps, each.student) for each in chosen}
    missing = [student for student, score in scores.items() if score is None]
    if missing:
        distils = scorer()
        for student in tqdm(missing, desc=f"the best for {steps} steps", unit="student", mininterval=1):
            spec = parse(student)
            model = distils.build(spec)
            distils.start(spec, model)
            found_now = distils.train(spec, model, lambda *_: True)
            keep_score(study, steps, student, found_now)
            scores[student] = found_now
    looked = [Finalist(each, steps, score) for each in chosen if (score := scores[each.student]) is not None]
    sound = [finalist for finalist in looked if math.isfinite(finalist.score.distance)]
    # With those of the search, since of a few alone no line can be told.
    every = [Score(each.quality, each.distance) for each in seen] + [finalist.score for finalist in sound]
    told = dict(zip((each.candidate for each in sound), _drawn(every, noise)[len(seen) :], strict=True))
    best_first = sorted(sound, key=lambda each: (-told[each.candidate], each.score.distance))
    return sorted(best_first, key=lambda each: not _is_as_good(each, own, best_first))  # which keeps the order


def _is_as_good(finalist: Finalist, own: Candidate | None, looked: Sequence[Finalist]) -> bool:
    """Tell whether a finalist is in both respects at least as good as the hand-made student, where that is known."""
    beside = next((each.score for each in looked if own is not None and each.candidate.student == own.student), None)
    if beside is None:
        return True
    return finalist.score.quality >= beside.quality and finalist.score.distance <= beside.distance


def _drawn(scores: Sequence[Score], noise: float) -> list[float]:
    """Return what students are worth; where no line can be told between the two the distance decides."""
    qualities, distances = [each.quality for each in scores], [each.distance for each in scores]
    drawn = denoised(qualities, distances, noise).tolist()
    return drawn if drawn != qualities else [-distance for distance in distances]


def in_order(found: Sequence[Candidate], looked: Sequence[Finalist]) -> list[Candidate]:
    """Return the students of a search, those that were looked at longer first."""
    first = [finalist.candidate for finalist in looked]
    return [*first, *(candidate for candidate in found if candidate not in first)]


def kept_score(study: optuna.Study, steps: int, student: str) -> Score | None:
    """Return what a student's distillation of so many steps gave; None before it was done."""
    kept = study.user_attrs.get(_key(steps, student))
    return None if kept is None else Score(**kept)


def keep_score(study: optuna.Study, steps: int, student: str, score: Score) -> None:
    """Keep in the study what a student's distillation gave."""
    study.set_user_attr(_key(steps, student), score._asdict())


def _key(steps: int, student: str) -> str:
    return f"{_LONGER}:{steps}:{student}"
