"""The hand-made student among the best of a search: what is handed over has to be better than that."""

from collections.abc import Callable
from dataclasses import replace

import optuna
from transformers import PreTrainedModel

from nas.finalists import keep_score, kept_score
from nas.footprint import Footprint
from nas.front import Candidate
from nas.goals import Goals
from nas.scoring import Scorer
from students.spec import StudentSpec

DECIMALS = 3
"""Of the limits that the hand-made student itself sets."""


def incumbent(
    study: optuna.Study,
    spec: StudentSpec,
    scorer: Scorer,
    goals: Goals,
    weigh: Callable[[StudentSpec, PreTrainedModel], Footprint],
    latency_ms: float,
) -> Candidate | None:
    """Return the hand-made student with what the search would know of it; None if it keeps not all limits.

    Args:
        study: keeps its score.
        spec: the student.
        scorer: distils it as the search's students are.
        goals: with the limits.
        weigh: returns a student's costs.
        latency_ms: the student's own, which the others were measured beside.
    """
    model = scorer.build(spec)
    weighed = weigh(spec, model)
    footprint = replace(weighed, latency_ms=round(latency_ms, DECIMALS), size_mb=round(weighed.size_mb, DECIMALS))
    if goals.breaks(footprint):
        return None
    score = kept_score(study, scorer.last, spec.name)
    if score is None:
        scorer.start(spec, model)
        score = scorer.train(spec, model, lambda *_: True)
        keep_score(study, scorer.last, spec.name, score)
    return Candidate(spec.name, score.quality, score.distance, footprint, None, on_front=False)
