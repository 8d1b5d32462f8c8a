import math
from dataclasses import replace

import optuna
import pytest

from nas.finalists import finalists, in_order
from nas.footprint import Footprint
from nas.front import Candidate
from nas.scoring import Score
from students.spec import parse_student

NOISE = 0.01


def _student(layers):
    return f"family=bert,layers={layers},hidden=96,heads=6,feed_forward=256"


def _candidate(layers, quality, distance):
    return Candidate(_student(layers), quality, distance, Footprint(1.0 * layers, 9.0), layers, on_front=True)


FOUND = [_candidate(1, 0.80, 0.4), _candidate(2, 0.79, 0.3), _candidate(3, 0.781, 0.2), _candidate(4, 0.77, 0.1)]
"""The last one is more than two standard errors below the best."""


class Longer:
    """Is the better the fewer layers a student has, after the longer distillation."""

    def __init__(self):
        self.trained = []

    def build(self, spec):
        return spec

    def start(self, spec, model):
        """A student of known quality needs no weights."""

    def train(self, spec, model, watch):
        self.trained.append(spec.layers)
        return Score(0.9 - spec.layers / 100, spec.layers / 10)


def _looked(study, scorer, count=4, steps=40, found=FOUND):
    return finalists(study, found, count, NOISE, steps, lambda: scorer, parse_student)


def test_those_that_the_rows_cannot_tell_from_the_best_are_distilled_for_longer_and_the_nearest_comes_first():
    scorer = Longer()
    looked = _looked(optuna.create_study(), scorer)
    assert scorer.trained == [3, 2, 1], "the one below is not, the most promising first"
    assert [each.candidate for each in looked] == FOUND[:3]
    assert looked[0].score == Score(pytest.approx(0.89), pytest.approx(0.1))
    document = looked[0].document()
    assert (document["quality"], document["quality_in_search"]) == (pytest.approx(0.89), 0.80)
    assert [c.trial for c in in_order(FOUND[::-1], looked)] == [1, 2, 3, 4]


def test_of_many_the_nearest_after_the_search_are_distilled():
    scorer = Longer()
    assert [each.candidate for each in _looked(optuna.create_study(), scorer, count=2)] == [FOUND[1], FOUND[2]]
    assert scorer.trained == [3, 2]


def test_nobody_is_distilled_twice_and_other_steps_are_another_question():
    study, scorer = optuna.create_study(), Longer()
    first = _looked(study, scorer)
    assert _looked(study, scorer) == first
    assert len(scorer.trained) == 3
    _looked(study, scorer, steps=80)
    assert len(scorer.trained) == 6


def test_an_interrupted_look_loses_one_student_at_most():
    class Interrupted(Longer):
        def train(self, spec, model, watch):
            if len(self.trained) == 1:
                raise KeyboardInterrupt
            return super().train(spec, model, watch)

    study, scorer = optuna.create_study(), Longer()
    with pytest.raises(KeyboardInterrupt):
        _looked(study, Interrupted())
    looked = _looked(study, scorer)
    assert scorer.trained == [2, 1]
    assert looked == _looked(optuna.create_study(), Longer())


def test_one_whose_training_diverges_is_left_out():
    class Diverging(Longer):
        def train(self, spec, model, watch):
            score = super().train(spec, model, watch)
            return Score(0.5, math.nan) if spec.layers == 1 else score

    assert [each.candidate for each in _looked(optuna.create_study(), Diverging())] == [FOUND[1], FOUND[2]]


@pytest.mark.parametrize(("count", "found"), [(1, FOUND), (4, FOUND[:1]), (4, [FOUND[0], FOUND[3]])])
def test_one_alone_needs_no_longer_look(count, found):
    scorer = Longer()
    assert _looked(optuna.create_study(), scorer, count=count, found=found) == []
    assert not scorer.trained
    assert in_order(found, []) == found


def test_one_that_was_stopped_early_may_be_among_them():
    stopped = [_candidate(5, 0.70, 0.15), _candidate(6, 0.70, 0.35)]
    looked = finalists(
        optuna.create_study(), FOUND, 3, NOISE, 40, Longer, parse_student, stopped
    )  # fmt: skip
    assert sorted(each.candidate.trial for each in looked) == [2, 3, 5], "the three nearest of both"


def test_the_hand_made_student_is_beside_them_and_may_win():
    scorer, own = Longer(), replace(_candidate(1, 0.5, 0.9), trial=None, student=_student(1).replace("256", "384"))
    looked = finalists(optuna.create_study(), FOUND, 2, NOISE, 40, lambda: scorer, parse_student, (), own)
    assert scorer.trained == [3, 2, 1]
    assert looked[0].candidate == own and in_order(FOUND, looked)[0] == own


class Known(Longer):
    """Is as good as it is told, by the layers of a student."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def train(self, spec, model, watch):
        return Score(*self.scores[spec.layers])


@pytest.mark.parametrize(
    ("scores", "first"),
    [
        ({2: (0.80, 0.20), 3: (0.78, 0.10), 9: (0.79, 0.25)}, 2),  # at least as good in both, the third is not
        ({2: (0.80, 0.26), 3: (0.78, 0.10), 9: (0.79, 0.25)}, 9),  # each is worse in one
        ({2: (0.79, 0.25), 3: (0.70, 0.50), 9: (0.79, 0.25)}, 2),  # the same: the search's own
    ],
)
def test_the_hand_made_student_stays_unless_one_is_as_good_in_both(scores, first):
    own = replace(_candidate(9, 0.5, 0.9), trial=None)
    looked = finalists(
        optuna.create_study(), FOUND, 2, NOISE, 40, lambda: Known(scores), parse_student, (), own
    )  # fmt: skip
    assert len(looked) == 3
    assert parse_student(looked[0].candidate.student).layers == first


def test_the_hand_made_student_is_not_looked_at_twice():
    scorer = Longer()
    finalists(optuna.create_study(), FOUND, 2, NOISE, 40, lambda: scorer, parse_student, (), FOUND[2])
    assert scorer.trained == [3, 2]
