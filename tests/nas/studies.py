"""A study with a proxy whose answers are known, so that tests see what is trained and what is not."""

import optuna

from distill import pipeline, preparation
from distill.config import RunConfig
from distill.recipes import RECIPES
from distill.recipes.schema import TrainingSettings
from nas.footprint import Footprint
from nas.goals import Goals
from nas.objective import Objective
from nas.scoring import Score
from nas.search_space import SearchSpace
from nas.spaces import parse_space
from students.architecture import Proportions

TEACHER = Proportions(384, 12, 1536)


class KnownProxy:
    """Scores a student by its depth, without training anything."""

    teacher, floor = 0.4, 0.0

    def __init__(self, rungs=(5, 10)):
        self.trained, self.rungs, self.last = [], rungs, rungs[-1]

    def build(self, spec):
        return spec

    def start(self, spec, model):
        """A student of known quality needs no weights."""

    def train(self, spec, model, watch):
        self.trained.append(model.name)
        for steps in self.rungs:
            quality = model.layers / 10 * steps / self.last
            if not watch(steps, quality):
                break
        return Score(quality, 1.0 - quality)


def ready_run(teacher, data, student, folder, steps):
    """Return a run with its teacher fine-tuned."""
    training = TrainingSettings(max_steps=steps, batch_size=16, learning_rate=3e-3)
    config = RunConfig(
        teachers=(str(teacher),), student=student, data=str(data), recipe=RECIPES["logits"], teacher_training=training
    )
    prepared = preparation.prepare(config, folder)
    prepared.folder.mkdir()
    pipeline.ready_teachers(prepared)
    return prepared


def weigh(spec, model):
    return Footprint(latency_ms=spec.layers * spec.hidden / 100, size_mb=spec.hidden / 10)


def small_space(*texts) -> SearchSpace:
    return parse_space(texts or ("layers=1..4", "hidden=96,192", "heads=6", "feed_forward=256"), {}, TEACHER, 6, "bert")


def known(space=None, goals=None, study=None, share=1.0):
    """Return a study, its objective and its proxy."""
    goals = goals or Goals()
    study = study or optuna.create_study(directions=goals.directions)
    proxy = KnownProxy()
    return study, Objective(study, space or small_space(), goals, proxy, weigh, proxy.teacher, share), proxy
