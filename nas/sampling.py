"""How the next student is chosen, by name."""

from collections.abc import Callable, Mapping

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, PartialFixedSampler, RandomSampler, TPESampler

from nas.dimensions import Value
from nas.quiet import quiet

STARTUP = 8
"""Students, those of the ladder among them, before TPE learns from them."""

POPULATION = 8
RANDOM = "random"
EXPECTED = "gp"
"""Not a sampler: `nas.expected` says which student is next, and chance what it leaves open."""


def _tpe(seed: int) -> BaseSampler:
    # Together, since what a width is worth depends on the depth; in groups, since not all students have all dimensions.
    with quiet():
        return TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True)


def _nsga2(seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=POPULATION)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "nsga2": _nsga2, RANDOM: _random, EXPECTED: _random}


def sampler(name: str, seed: int, study: optuna.Study | None = None) -> BaseSampler:
    """Return a sampler; one that goes on with a study does not repeat what it drew before.

    Args:
        name: of `SAMPLERS`.
        seed: the search's.
        study: with the trials so far.
    """
    done = 0 if study is None else len(study.get_trials(deepcopy=False))
    return SAMPLERS[name]((seed + 1_000_003 * done) % 2**32)


def wanting(parameters: Mapping[str, Value], otherwise: BaseSampler) -> BaseSampler:
    """Return a sampler of one student, which no other worker can take as it could a queued one.

    Args:
        parameters: the student's.
        otherwise: of parameters that are none of its.
    """
    with quiet():
        return PartialFixedSampler(dict(parameters), otherwise)
