"""One file a step; each says what it can't do before anything long begins, and does it."""

from distill.compression.plan import FACTORISE, MIXED, PRECISIONS, PRUNE, QAT, TRIM
from distill.compression.steps import factorising, mixed, precision, pruning, training_aware, trimming
from distill.compression.steps.base import Applied, Bench, Kind

KINDS: dict[str, Kind] = {
    TRIM: Kind(trimming.check, trimming.apply),
    PRUNE: Kind(pruning.check, pruning.apply),
    FACTORISE: Kind(factorising.check, factorising.apply),
    QAT: Kind(training_aware.check, training_aware.apply),
    **dict.fromkeys(PRECISIONS, Kind(precision.check, precision.apply)),
    MIXED: Kind(mixed.check, mixed.apply),
}
"""What each step checks and does."""

__all__ = ["KINDS", "Applied", "Bench", "Kind"]
