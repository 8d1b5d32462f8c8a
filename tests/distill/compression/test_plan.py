"""Chains as text: what is read, and what is refused in one line."""

import pytest

from distill.compression.plan import (
    BY_LABELS,
    NOT_AT_ALL,
    PRECISIONS,
    STEPS,
    THE_TEACHER,
    Recovery,
    Step,
    parse_chain,
    with_student,
)
from pocketbert.errors import UserError


def test_a_chain_is_its_steps_in_order():
    pruning = "prune:heads=0.5:rounds=2:steps=600:rate=1e-4"
    assert parse_chain(f"trim:8000, {pruning} ,qat:recover=labels") == (
        Step("trim", "trim:8000", "8000", Recovery(NOT_AT_ALL)),
        Step("prune", pruning, "heads=0.5:rounds=2", Recovery(steps=600, rate=1e-4)),
        Step("qat", "qat:recover=labels", "", Recovery(BY_LABELS)),
    )


def test_only_some_steps_train():
    steps = parse_chain("trim,factorise:8,prune:0.3:recover=none,prune:0.2,qat")
    assert [step.trains for step in steps] == [False, True, False, True, True]
    assert steps[2].recovery.by == NOT_AT_ALL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a step is missing"),
        ("trim,,qat", "a step is missing"),
        ("trim,prun:0.5", "did you mean prune"),
        ("int4:recover=none", "'int4:recover=none' trains nothing"),
        ("int8:steps=5", "trains nothing"),
        ("qat:recover=none", "take int8-static"),
        ("prune:0.5:recover=teachers", "did you mean teacher"),
        ("prune:0.5:steps=0", "steps=0 must be a whole number above 0"),
        ("prune:0.5:steps=1.5", "steps=1.5 must be a whole number above 0"),
        ("prune:0.5:rate=nan", "rate=nan must be a number above 0"),
        ("prune:0.5:rate=-1", "rate=-1 must be a number above 0"),
        ("prune:0.5:rate=1e-4:rate=1e-5", "says rate twice"),
        ("trim,trim:100", "trim is there twice"),
        ("factorise:8,prune:0.3,factorise:4", "factorise is there twice"),
        ("qat,prune:0.5", "prune can't follow qat (a quantised model can't be changed by prune): put qat last"),
        ("qat,int8", "qat and int8 both quantise: leave one of them out"),
        ("int8,int4", "int8 and int4 both quantise: leave one of them out"),
        ("prune:0.5:rate=1e8", "rate=1e8 is a learning rate, such as 3e-4: at most 1"),
        ("trim:recover=none:steps=5", "without a training it has no steps and no rate"),
        ("int4,trim", "trim can't follow int4"),
    ],
)
def test_what_makes_no_sense_is_one_line(text, message):
    with pytest.raises(UserError) as raised:
        parse_chain(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("last", ["qat", *PRECISIONS])
@pytest.mark.parametrize("chain", ["trim,factorise:8,prune:0.5", "prune:0.5,factorise:8,trim", "prune:0.2,prune:0.2"])
def test_steps_that_change_the_model_come_in_any_order_before_one_that_quantises(chain, last):
    assert parse_chain(f"{chain},{last}")[-1].name == last


@pytest.mark.parametrize("name", STEPS)
def test_every_step_can_be_a_chain(name):
    assert [step.name for step in parse_chain(name)] == [name]


@pytest.mark.parametrize(
    ("student", "chain", "meant"),
    [
        ("tiny", None, ("tiny", None)),
        ("tiny", "qat", ("tiny", "qat")),
        ("teacher", "trim,qat", (THE_TEACHER, "trim,qat")),
        ("prune:0.5", None, (THE_TEACHER, "prune:0.5")),
        ("prune:0.5,trim", "qat", (THE_TEACHER, "prune:0.5,trim,qat")),
    ],
)
def test_a_pruned_student_is_its_teacher(student, chain, meant):
    assert with_student(student, chain) == meant


@pytest.mark.parametrize("chain", [None, ""])
def test_the_teacher_alone_is_no_student(chain):
    with pytest.raises(UserError, match="say how it is made smaller"):
        with_student("teacher", chain)
