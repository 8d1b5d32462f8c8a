import random

import optuna
import pytest

from nas.dimensions import Dimension
from nas.search_space import FamilySpace, SearchSpace, student
from pocketbert.errors import UserError
from students.spec import parse_student


def _space(**changes):
    dimensions = {"layers": (1, 2, 3), "hidden": (12, 16, 18), "heads": (1, 2, 3, 4), "feed_forward": (32, 64)}
    dimensions |= changes
    return FamilySpace("bert", tuple(Dimension(name, choices) for name, choices in dimensions.items()))


class _Chance:
    """Chooses at random and remembers under which names it was asked for what."""

    def __init__(self, seed):
        self.random, self.asked = random.Random(seed), {}

    def suggest_categorical(self, name, choices):
        assert self.asked.setdefault(name, tuple(choices)) == tuple(choices)
        return self.random.choice(choices)

    def suggest_int(self, name, low, high, *, step=1):
        assert self.asked.setdefault(name, (low, high, step)) == (low, high, step)
        return self.random.randrange(low, high + 1, step)


def test_the_count_is_that_of_the_points_counted_by_hand():
    # heads 1, 2, 3, 4 divide 12; 1, 2, 4 divide 16; 1, 2, 3 divide 18
    space = _space()
    assert space.count() == 3 * 2 * (4 + 3 + 3) == len(list(space.points()))


def test_every_choice_is_a_point_and_every_point_is_chosen():
    space, chance = SearchSpace((_space(),)), _Chance(0)
    drawn = {space.suggest(chance).name for _ in range(2000)}
    assert drawn == {spec.name for spec in space.students()}


def test_a_students_name_is_what_student_understands():
    for spec in SearchSpace((_space(),)).students():
        again = parse_student(spec.name)
        assert (again.layers, again.hidden, again.heads) == (spec.layers, spec.hidden, spec.heads)
        assert (again.feed_forward, again.family) == (spec.feed_forward, "bert")


def test_optuna_accepts_the_choices_of_every_sampler():
    space = SearchSpace((_space(), FamilySpace("electra", _space().dimensions)))
    for sampler in (optuna.samplers.TPESampler(seed=0, n_startup_trials=3), optuna.samplers.NSGAIISampler(seed=0)):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: space.suggest(trial).layers, n_trials=20)
        assert all(trial.state.name == "COMPLETE" for trial in study.trials)
    assert space.count() == 2 * _space().count()


def test_heads_that_are_too_wide_or_narrow_are_left_out():
    space = FamilySpace("bert", _space().dimensions, largest_head=6, smallest_head=4)
    assert {(p["hidden"], p["heads"]) for p in space.points()} == {(12, 2), (12, 3), (16, 4), (18, 3)}


def test_a_width_that_no_heads_divide_is_no_dead_end():
    space = _space(hidden=(7, 12), heads=(2, 3)).without_dead_ends()
    assert {p["hidden"] for p in space.points()} == {12}
    with pytest.raises(UserError, match="heads=2,3 divides any of hidden=7"):
        _space(hidden=(7,), heads=(2, 3)).without_dead_ends()


def test_spaces_of_other_heads_are_other_spaces():
    narrow = SearchSpace((FamilySpace("bert", _space().dimensions, largest_head=6),))
    assert narrow.key() != SearchSpace((_space(),)).key() == SearchSpace((_space(),)).key()


def test_heads_divide_the_bottleneck_where_there_is_one():
    point = {"layers": 2, "hidden": 32, "bottleneck": 12, "embedding": 8, "feed_forward": 16, "feed_forwards": 2}
    dimensions = tuple(Dimension(name, (value,)) for name, value in point.items())
    space = FamilySpace("mobilebert", (*dimensions, Dimension("heads", (3, 5, 8))))
    assert [p["heads"] for p in space.points()] == [3]
    assert student("mobilebert", next(space.points())).bottleneck == 12
