"""What students that were not measured will cost, learnt from those that were."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.optimize import nnls

from nas.footprint import Footprint, Setting
from nas.latency_model import LatencyModel, parts, weights
from students.architecture import ELECTRA, FAMILIES
from students.spec import StudentSpec

USUAL = {
    "call": 0.006, "layer": 0.008, "embeddings": 2.0, "embedding products": 0.002, "attention products": 0.002,
    "feed-forward products": 0.0022, "norms": 1.6, "activations": 0.7, "gelu": 0.7, "layer norms": 1.6,
    "attention matrix": 0.5, "attention rows": 2.3,
}  # fmt: skip
"""Milliseconds of each part on one thread of an EPYC; their proportions go on to count where nothing else is known."""

USUAL_SIZE = {"file": 0.1, "tables": 1.0, "weights": 1.0}
USUAL_MEMORY = {"runtime": 8.0, "file": 1.3}
TRUST = 0.003
"""How much a cost that is twice the usual one counts, beside relative errors, both squared."""

WITH_WIDE_POSITIONS = set(FAMILIES) - {ELECTRA}
"""Families of which a narrow table is of words alone."""

Amounts = Mapping[str, float]


class CostModels:
    """Predicts latency, size and memory; exact for nobody, near for all, and better with each one measured.

    Args:
        setting: that latency is measured at.
        pieces: of the teacher's vocabulary.
        positions: rows of its table of positions.
        device: predicts latencies instead.
    """

    def __init__(self, setting: Setting, pieces: int, positions: int, device: LatencyModel | None = None) -> None:
        self._setting, self._pieces, self._positions, self._device = setting, pieces, positions, device
        self._measured: dict[str, tuple[StudentSpec, Footprint]] = {}
        self._costs: dict[str, tuple[Amounts, Amounts, Amounts]] = {}

    def learn(self, measured: Iterable[tuple[StudentSpec, Footprint]]) -> None:
        """Fit to all students that were measured."""
        self._measured = {spec.name: (spec, footprint) for spec, footprint in measured}
        self._costs.clear()

    def predict(self, spec: StudentSpec) -> Footprint:
        """Return what a student will cost."""
        if spec.family not in self._costs:
            self._costs[spec.family] = self._fitted(spec.family)
        latency, size, memory = self._costs[spec.family]
        megabytes = _sum(size, self._size_parts(spec))
        if self._device is not None:
            milliseconds = self._device.predict(spec)
        else:
            milliseconds = _sum(latency, parts(spec, self._setting.length, self._setting.batch))
        return Footprint(milliseconds, megabytes, _sum(memory, {"runtime": 1.0, "file": megabytes}))

    def _fitted(self, family: str) -> tuple[Amounts, Amounts, Amounts]:
        """Fit to the students of a family, or to all where none of it was measured."""
        known = [pair for pair in self._measured.values() if pair[0].family == family] or [*self._measured.values()]
        specs, found = [spec for spec, _ in known], [footprint for _, footprint in known]
        with_memory = [each for each in found if each.memory_mb is not None]
        return (
            fitted(
                [parts(spec, self._setting.length, self._setting.batch) for spec in specs],
                [each.latency_ms for each in found],
                USUAL,
            ),
            fitted([self._size_parts(spec) for spec in specs], [each.size_mb for each in found], USUAL_SIZE),
            fitted(
                [{"runtime": 1.0, "file": each.size_mb} for each in with_memory],
                [each.memory_mb or 0.0 for each in with_memory],
                USUAL_MEMORY,
            ),
        )

    def _size_parts(self, spec: StudentSpec) -> Amounts:
        pieces, table = spec.vocabulary or self._pieces, spec.embedding or spec.hidden
        positions = self._positions * (spec.hidden if spec.family in WITH_WIDE_POSITIONS else table)
        return {"file": 1.0, "tables": (pieces * table + positions) / 1e6, "weights": weights(spec)}


def fitted(amounts: Sequence[Amounts], measured: Sequence[float], usual: Amounts) -> dict[str, float]:
    """Return what each part costs: at least 0, near to the usual proportions, nearer to what was measured.

    Args:
        amounts: of each part, a mapping a student.
        measured: what the students cost.
        usual: costs of the parts, of which the proportions count.
    """
    names = list(usual)
    if not measured:
        return dict(usual)
    rows = np.array([[row[name] for name in names] for row in amounts])
    costs = np.array([usual[name] for name in names])
    values = np.maximum(np.array(measured), 1e-12)
    costs = costs * np.median(values / np.maximum(rows @ costs, 1e-12))
    trust = np.sqrt(TRUST) * np.eye(len(names))
    # In units of the usual costs, so that a part's distance from them is relative, as errors are.
    found, _ = nnls(
        np.vstack([rows * costs / values[:, None], trust]),
        np.concatenate([np.ones(len(rows)), np.sqrt(TRUST) * np.ones(len(names))]),
    )
    return dict(zip(names, (found * costs).tolist(), strict=True))


def _sum(costs: Amounts, amounts: Amounts) -> float:
    return sum(costs[name] * amount for name, amount in amounts.items())
