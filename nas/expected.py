"""The next student by expected hypervolume improvement, where costs are computed and only the quality is guessed.

Emmerich 2005; Daulton et al. 2020, "Differentiable expected hypervolume improvement", arXiv:2006.05078. Deviations: a
Gaussian process (Matérn 5/2, a length for each dimension) stands for the quality alone, since costs follow from sizes
(`nas.cost_models`); the expectation is over three points of Gauss-Hermite quadrature; the best of students drawn at
random is taken; now and then the expected improvement of the quality alone decides (Jones et al. 1998, equation 15).
"""

import math
import random
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from nas.choosers import Chance
from nas.cost_models import CostModels
from nas.denoising import denoised
from nas.footprint import Footprint
from nas.front import by_quality
from nas.goals import Goals
from nas.objective import DISTANCE, FOOTPRINT, NOTE, QUALITY, RUNG, STUDENT, TWIN
from nas.search_space import SearchSpace
from nas.volume import Point, gained
from students.architecture import SIZES, WORDS
from students.spec import StudentSpec, parse_student

FEWEST = 4
"""So many students must have a score before the next one is chosen by what is expected of it."""

TURN = 4
"""Every so many students one is chosen for its quality alone, where the best within the limits is wanted: at a limit no
hypervolume can be gained, and that is where the best ones are."""

DRAWN, COMPARED = 4000, 300
_NODES = ((-math.sqrt(3), 1 / 6), (0.0, 2 / 3), (math.sqrt(3), 1 / 6))
_LENGTHS, _NOISE = (0.3, 30.0), (1e-3, 0.3)

Vector = NDArray[np.float64]


class Expected:
    """Chooses students.

    Args:
        space: of the students.
        goals: objectives and limits.
        costs: of students that were not measured.
        worst: returns the worst value of each objective that counts, in the goals' own signs.
        floor: the quality up to which a student is of no use.
        seed: of the draw.
        noise: the standard error of a quality, as far as the rows that it was measured on make it.
    """

    def __init__(
        self,
        space: SearchSpace,
        goals: Goals,
        costs: CostModels,
        worst: Callable[[optuna.Study], Sequence[float]],
        floor: float,
        seed: int,
        noise: float = 0.0,
    ) -> None:
        self._space, self._goals, self._costs, self._worst = space, goals, costs, worst
        self._floor, self._seed, self._noise = floor, seed, noise

    def choose(self, study: optuna.Study) -> StudentSpec | None:
        """Return the student to look at next; None where none that is new and may keep the limits is found."""
        trials = study.get_trials(deepcopy=False)
        known = {t.user_attrs[STUDENT]: t for t in trials if _counts(t)}
        self._costs.learn(
            (parse_student(name), Footprint(**t.user_attrs[FOOTPRINT]))
            for name, t in known.items()
            if FOOTPRINT in t.user_attrs
        )
        candidates = self._candidates((self._seed + 1_000_003 * len(trials)) % 2**32, known)
        if not candidates:
            return None
        scored = self._scored(known)
        if len(scored) < FEWEST:
            return candidates[0][0]
        pending = [parse_student(name) for name, t in known.items() if t.state == TrialState.RUNNING]
        qualities = _Qualities([*scored], [*scored.values()])
        if by_quality(self._goals) and len(trials) % TURN == 0:
            return self._best(qualities, [spec for spec, _ in candidates], max(scored.values()))
        front = [
            self._point(quality, Footprint(**known[spec.name].user_attrs[FOOTPRINT]))
            for spec, quality in scored.items()
            if quality > self._floor
        ]
        if pending:  # at work elsewhere: as if it were as good as it is thought to be
            means, _ = qualities.guess(pending)
            front += [
                self._point(float(mean), self._costs.predict(spec)) for spec, mean in zip(pending, means, strict=True)
            ]
        means, deviations = qualities.guess([spec for spec, _ in candidates])
        worst = self._goals.as_costs(tuple(self._worst(study)))
        gains = [
            self._gain(footprint, float(mean), float(deviation), front, worst)
            for (_, footprint), mean, deviation in zip(candidates, means, deviations, strict=True)
        ]
        return candidates[int(np.argmax(gains))][0]

    @staticmethod
    def _best(qualities: "_Qualities", specs: Sequence[StudentSpec], best: float) -> StudentSpec:
        """Return the student that is expected to be above the best by the most."""
        means, deviations = qualities.guess(specs)
        above = (means - best) / np.maximum(deviations, 1e-9)
        return specs[int(np.argmax((means - best) * norm.cdf(above) + deviations * norm.pdf(above)))]

    def _candidates(self, seed: int, known: dict[str, FrozenTrial]) -> list[tuple[StudentSpec, Footprint]]:
        """Return students that nobody has looked at and that will probably keep the limits on costs."""
        chance = Chance(random.Random(seed).randrange)  # noqa: S311  (a choice, no secret)
        drawn = {spec.name: spec for spec in (self._space.suggest(chance) for _ in range(DRAWN))}
        new = [(spec, self._costs.predict(spec)) for name, spec in drawn.items() if name not in known]
        return [(spec, footprint) for spec, footprint in new if not self._goals.breaks(footprint)][:COMPARED]

    def _scored(self, known: dict[str, FrozenTrial]) -> dict[StudentSpec, float]:
        """Return the quality of each student, of those that were stopped early with what others gained after that.

        Qualities are drawn towards what the distance from the teacher tells (see `nas.denoising`).
        """
        place = self._goals.objectives.index("quality") if "quality" in self._goals.objectives else None
        gains: dict[str, list[float]] = {}
        for trial in known.values():
            if trial.state == TrialState.COMPLETE and place is not None:
                for rung in _rungs(trial):
                    gains.setdefault(rung, []).append(trial.user_attrs[QUALITY] + trial.user_attrs[rung][place])
        trained = {name: trial for name, trial in known.items() if QUALITY in trial.user_attrs}
        attributes = [trial.user_attrs for trial in trained.values()]
        drawn = denoised([a[QUALITY] for a in attributes], [a[DISTANCE] for a in attributes], self._noise)
        scored = {}
        for (name, trial), quality in zip(trained.items(), drawn, strict=True):
            value = float(quality)
            if trial.state == TrialState.PRUNED:
                value += float(np.median(gains.get(_rungs(trial)[-1], [0.0]))) if _rungs(trial) else 0.0
            scored[parse_student(name)] = value
        return scored

    def _point(self, quality: float, footprint: Footprint) -> Point:
        return self._goals.as_costs(self._goals.values(quality, footprint))

    def _gain(self, footprint: Footprint, mean: float, deviation: float, front: Sequence[Point], worst: Point) -> float:
        total = 0.0
        for node, weight in _NODES:
            quality = mean + node * deviation
            if quality > self._floor:
                total += weight * gained(self._point(quality, footprint), front, worst)
        return total


class _Qualities:
    """A Gaussian process of the quality of students.

    Args:
        specs: of students with a score.
        scores: theirs.
    """

    def __init__(self, specs: Sequence[StudentSpec], scores: Sequence[float]) -> None:
        self._mean, self._spread = float(np.mean(scores)), max(float(np.std(scores)), 1e-6)
        rows = np.array([_described(spec) for spec in specs])
        self._centre, self._width = rows.mean(0), np.where(rows.std(0) > 0, rows.std(0), 1.0)
        kernel = ConstantKernel(1.0) * Matern([2.0] * rows.shape[1], _LENGTHS, nu=2.5) + WhiteKernel(0.02, _NOISE)
        self._process = GaussianProcessRegressor(kernel, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: a dimension of no effect
            self._process.fit(self._scaled(rows), (np.array(scores) - self._mean) / self._spread)

    def guess(self, specs: Sequence[StudentSpec]) -> tuple[Vector, Vector]:
        """Return mean and standard deviation of what each student's quality may be."""
        rows = np.array([_described(spec) for spec in specs])
        means, deviations = self._process.predict(self._scaled(rows), return_std=True)
        # What a measurement adds by chance is no improvement that may be hoped for.
        noise = self._process.kernel_.k2.noise_level
        known = np.sqrt(np.maximum(deviations**2 - noise, 0.0))
        return means * self._spread + self._mean, known * self._spread

    def _scaled(self, rows: Vector) -> Vector:
        scaled: Vector = (rows - self._centre) / self._width
        return scaled


def _described(spec: StudentSpec) -> list[float]:
    """Return a student as numbers: sizes by their logarithms, words as whether they are said."""
    sizes = [math.log(max(1, getattr(spec, name))) for name in SIZES]
    words = [float(getattr(spec, name) == choice) for name, choices in WORDS.items() for choice in choices[1:]]
    families = [float(spec.family == family) for family in ("roberta", "electra", "distilbert", "mobilebert")]
    return [*sizes, math.log(spec.group), *words, *families]


def _counts(trial: FrozenTrial) -> bool:
    """Tell whether a trial has dealt with its student; one that was lost with its worker has not."""
    lost = trial.state == TrialState.FAIL and NOTE not in trial.user_attrs
    return STUDENT in trial.user_attrs and TWIN not in trial.user_attrs and not lost


def _rungs(trial: FrozenTrial) -> list[str]:
    """Return the rungs that a trial came to, the first one first."""
    return sorted((name for name in trial.user_attrs if name.startswith(RUNG)), key=lambda name: int(name[len(RUNG) :]))
