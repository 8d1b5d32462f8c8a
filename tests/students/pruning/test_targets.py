import pytest

from pocketbert.errors import UserError
from students.pruning.targets import CUT_BY_DEFAULT, IMPORTANCE, parse_target


def test_a_number_alone_is_a_share_of_the_operations():
    assert parse_target("0.5") == parse_target("flops=0.5")
    target = parse_target("0.5")
    assert (target.measure, target.share, target.ratios, target.rounds) == ("flops", 0.5, {}, 1)
    assert (target.importance, target.dimensions) == (IMPORTANCE[0], CUT_BY_DEFAULT)


def test_every_part_is_read():
    target = parse_target("latency=0.4:importance=magnitude:dimensions=layers+heads:rounds=3")
    assert (target.measure, target.share, target.importance) == ("latency", 0.4, "magnitude")
    assert (target.dimensions, target.rounds) == (("heads", "layers"), 3)
    target = parse_target("heads=0.5:feed_forward=0.3:hidden=0.25:layers=0.33")
    assert target.ratios == {"heads": 0.5, "feed_forward": 0.3, "hidden": 0.25, "layers": 0.33}
    assert target.measure == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.5", r"flops=1\.5 must be a number between 0 and 1"),
        ("0", "flops=0 must be"),
        ("1", "flops=1 must be"),
        ("nan", "flops=nan must be"),
        ("-0.5", "must be a number between"),
        ("half", "flops=half must be"),
        ("heads=", "heads= must be"),
        ("", "flops= must be"),
        ("head=0.5", "unknown part of a pruning target 'head': did you mean heads"),
        ("heads=0.5:heads=0.2", "says heads twice"),
        ("flops=0.5:heads=0.2", "says flops and heads: give one measure, or ratios alone"),
        ("flops=0.5:parameters=0.2", "says flops and parameters"),
        ("rounds=2", "removes nothing"),
        ("0.5:rounds=0", "rounds=0 must be a whole number from 1"),
        ("0.5:rounds=1.5", r"rounds=1\.5 must be"),
        ("0.5:importance=taylr", "did you mean taylor"),
        ("0.5:dimensions=heads+layer", "did you mean layers"),
        ("heads=0.5:dimensions=layers", "dimensions is for a share of"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as error:
        parse_target(text)
    assert "\n" not in str(error.value)


def test_rounds_leave_the_same_share_each_and_end_at_the_target():
    steps = parse_target("0.75:rounds=2").steps()
    assert [step.share for step in steps] == pytest.approx([0.5, 0.75])
    assert [(step.rounds, step.final) for step in steps] == [(1, False), (1, True)]
    assert steps[-1].share == 0.75
    assert parse_target("heads=0.875:rounds=3").steps()[1].ratios == pytest.approx({"heads": 0.75})
    assert parse_target("0.5").steps() == (parse_target("0.5"),)
