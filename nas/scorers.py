"""What scores a search's students, made from what was asked for."""

from collections.abc import Callable

import numpy as np
from datasets import Dataset

from distill import pipeline
from distill.preparation import Run, student_rows
from distill.recipes import RECIPES
from distill.recipes.schema import Stage
from nas.halving import rungs
from nas.proxy import Proxy
from nas.search_space import SearchSpace
from nas.settings import Request
from nas.supernet import Supernet
from nas.vocabularies import Vocabularies

Rows = Callable[[Run], Dataset]


def scorer_of(request: Request, run: Run, space: SearchSpace) -> Proxy | Supernet:
    """Return what scores the students of a search.

    Args:
        request: of the search.
        run: with its teachers ready.
        space: of the students.
    """
    settings = request.proxy
    if settings.strategy == "supernet":
        stage, rows = _learning(run, settings.strategy, settings.supernet_steps)
        read = Vocabularies(run).of(space.largest().vocabulary)
        return Supernet(read, space, rows(read), stage, run.folder / settings.strategy)
    return _proxy(run, settings.strategy, rungs(settings.steps, settings.rungs))


def longer(run: Run, steps: int) -> Proxy:
    """Return what distils a few students for more steps than the search does, on more rows.

    Args:
        run: with its teachers ready.
        steps: of a student.
    """
    return _proxy(run, "finalists", (steps,))


def _proxy(run: Run, name: str, compared: tuple[int, ...]) -> Proxy:
    stage, rows = _learning(run, name, compared[-1])
    rows(run)  # under the lock of whoever makes this: of several workers one asks the teacher
    return Proxy(run, rows, stage, compared)


def _learning(run: Run, name: str, steps: int) -> tuple[Stage, Rows]:
    """Return how students learn, and from what: as many rows as the steps can read once."""
    stage = RECIPES["logits"].stages[0]
    training = stage.training.model_copy(update={"max_steps": steps})
    wanted, count = steps * training.batch_size, len(student_rows(run))
    chosen = np.sort(np.random.default_rng(run.config.seed).permutation(count)[:wanted]).tolist()
    file = run.folder / f"{name}-logits.safetensors"

    def rows(own: Run) -> Dataset:
        return pipeline.answered(own, student_rows(own), file, chosen)

    return Stage(name=name, objectives=stage.objectives, training=training), rows
