import math

import pytest

from nas.goals import Goals
from nas.ladder import SHARES, begin, ladder
from nas.latency_model import products
from nas.objective import STUDENT
from nas.spaces import parse_space
from nas.study import search
from students.spec import parse_student
from tests.nas.studies import TEACHER, known

TINY = parse_student("tiny,family=bert", TEACHER)


def _space(*texts, pieces=()):
    return parse_space(texts, {}, TEACHER, 6, "bert", pieces)


def test_products_are_those_of_the_layers_linear_maps():
    assert products(TINY) == pytest.approx(4 * (4 * 312 * 312 + 2 * 312 * 1200) / 1e6)


def test_students_are_of_falling_size_within_what_is_allowed():
    found = ladder(_space(), TEACHER, 6, products(TINY))
    sizes = [products(spec) for spec in found]
    assert len(found) == len(SHARES)
    for size, share in zip(sizes, SHARES, strict=True):
        assert 0.5 * share * products(TINY) < size <= share * products(TINY)


def test_students_have_the_teachers_proportions_where_they_may():
    for spec in ladder(_space(), TEACHER, 6, math.inf):
        assert 0.5 <= (spec.layers / 6) / (spec.hidden / 384) <= 2
        assert 24 <= spec.hidden / spec.heads <= 32


def test_a_limit_below_the_smallest_leaves_none():
    assert ladder(_space(), TEACHER, 6, 0.0) == []


def test_students_keep_the_other_limits():
    found = ladder(_space(), TEACHER, 6, math.inf, keeps=lambda spec: spec.hidden <= 144)
    assert found and all(spec.hidden <= 144 for spec in found)
    assert ladder(_space(), TEACHER, 6, math.inf, keeps=lambda _: False) == []


def test_vocabularies_take_turns_but_for_the_whole_one():
    found = ladder(_space(pieces=(4000, 8000, 30522)), TEACHER, 6, math.inf, 30522)
    assert {spec.vocabulary for spec in found} == {4000, 8000}
    for sizes in ({4000}, {4000, 8000}):
        asked = _space(f"vocabulary={','.join(map(str, sizes))}", pieces=(30522,))
        assert {spec.vocabulary for spec in ladder(asked, TEACHER, 6, math.inf, 30522)} == sizes


@pytest.mark.parametrize("texts", [(), ("family=bert,electra",), ("family=mobilebert",)])
def test_a_study_looks_at_them_first_and_once(texts):
    space = _space(*texts)
    study, objective, proxy = known(space=space, goals=Goals(max_latency_ms=1e9))
    students = ladder(space, TEACHER, 6, math.inf)
    begin(study, space, students)
    begin(study, space, students)
    search(study, objective, space, "tpe", 0, trials=len(students) + 1, seconds=60, ended=lambda *_: None)
    assert [trial.user_attrs[STUDENT] for trial in study.trials][: len(students)] == [spec.name for spec in students]
    assert len(proxy.trained) == len(students) + 1
