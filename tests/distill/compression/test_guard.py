"""When a chain ends: only where a model surely loses, and more than is allowed."""

import pytest

from distill.compression.guard import judged
from distill.compression.plan import STEPS, parse_chain


def verdict(difference, low, high, *, most=0.02, step="prune:0.5"):
    document = {
        "note": "4x32 -> 4x16",
        "bytes": 1_250_000,
        "quality": {"value": 0.8312},
        "minus_start": {"difference": difference, "low": low, "high": high},
    }
    return judged(parse_chain(step)[0], document, most, "accuracy")


@pytest.mark.parametrize(
    ("difference", "low", "high", "refused"),
    [
        (-0.05, -0.08, -0.02, True),
        (-0.05, -0.11, 0.01, False),
        (-0.05, -0.1, 0.0, False),
        (-0.02, -0.03, -0.01, False),
        (-0.0201, -0.03, -0.01, True),
        (0.05, 0.02, 0.08, False),
    ],
)
def test_a_loss_is_refused_where_it_is_sure_and_over_the_limit(difference, low, high, refused):
    assert verdict(difference, low, high).refused is refused


def test_the_line_says_what_changed():
    assert verdict(-0.01, -0.03, 0.01).line == (
        "prune:0.5: 4x32 -> 4x16; 1.2 MB, accuracy 0.8312, -0.0100 [-0.0300, +0.0100] since the chain began"
    )


def test_a_loss_over_the_limit_is_said_even_where_it_is_doubtful():
    assert verdict(-0.05, -0.08, -0.02).line.endswith(", over --max-loss 0.02")
    assert verdict(-0.05, -0.11, 0.01).line.endswith(", over --max-loss 0.02, but the rows are too few to tell")


def test_no_limit_at_all_refuses_any_sure_loss():
    assert verdict(-0.001, -0.002, -0.0005, most=0.0).refused
    assert not verdict(0.0, 0.0, 0.0, most=0.0).refused


@pytest.mark.parametrize("step", STEPS)
def test_the_remedy_never_is_the_step_itself(step):
    remedy = verdict(-0.5, -0.6, -0.4, step=step).remedy
    assert remedy.endswith(".")
    assert f"ake {step}," not in remedy and f"ake {step}." not in remedy


def test_what_helps_a_plain_trim_is_more_than_trim_itself():
    assert "steps=500" in verdict(-0.1, -0.2, -0.05, step="trim").remedy
