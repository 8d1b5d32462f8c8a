import re

import pytest

from benchmarks.report_curves import panels
from benchmarks.report_plots import Curve, Point, loss_panel, quality_latency, thin
from tests.benchmarks.sample_run import classification_run, regression_run

POINTS = [
    Point("teacher fp32", "teacher", 6.0, 90.0, 88.0, 92.0),
    Point("student int8", "int8", 1.2, 87.0, None, None),
]


def test_the_picture_names_its_models_and_takes_the_pages_colours():
    picture = quality_latency(POINTS, 'accuracy "by" latency')
    assert "teacher fp32</text>" in picture
    assert "student int8</text>" in picture
    assert "var(--teacher)" in picture
    assert "#0102" not in picture
    assert 'aria-label="accuracy &#34;by&#34; latency"' in picture


def test_pictures_are_the_same_for_the_same_run_and_share_no_id():
    again = quality_latency(POINTS, "one")
    assert quality_latency(POINTS, "one") == again
    ids = re.findall(r'id="([^"]+)"', again)
    assert ids
    assert not set(ids) & set(re.findall(r'id="([^"]+)"', quality_latency(POINTS, "two")))


@pytest.mark.parametrize("latencies", [(1.0, 1.0), (0.02, 900.0), (6.1, 6.3)])
def test_the_latency_axis_always_shows_a_scale(latencies):
    points = [Point("a", "teacher", latencies[0], 1.0, 1.0, 1.0), Point("b", "int8", latencies[1], 1.0, 1.0, 1.0)]
    words = re.findall(r">([\d.]+)</text>", quality_latency(points, "d").split("p50 latency")[0])
    assert len(words) >= 2


def test_an_interval_that_leaves_out_its_own_value_is_drawn():
    assert "<svg" in quality_latency([POINTS[0], Point("b", "int8", 1.0, 80.0, 81.0, 79.0)], "d")


def test_a_long_curve_is_thinned_to_means():
    steps = [float(step) for step in range(1, 241)]
    thinned = thin(Curve("student", steps, steps))
    assert len(thinned.steps) == 120
    assert thinned.values[:2] == [1.5, 3.5]
    assert thinned.steps == thinned.values


def test_a_short_curve_is_left_alone():
    curve = Curve("student", [1.0, 2.0], [0.5, 0.4])
    assert thin(curve) is curve


@pytest.mark.parametrize("values", [[0.0], [-1.0, 1.0], [1e-6, 1.0, 1e4], [0.5, 0.5]])
def test_odd_losses_are_drawn(values):
    assert "<svg" in loss_panel([Curve("student", list(range(len(values))), values)], "d")


def test_there_is_a_panel_for_each_objective_of_each_stage():
    names = [(panel.stage, panel.objective) for panel in panels(classification_run())]
    assert names == [
        ("layers", "total"),
        ("layers", "hidden states"),
        ("layers", "attention scores"),
        ("layers", "embeddings"),
        ("task", "total"),
        ("task", "soft targets"),
        ("task", "hard labels"),
    ]


def test_the_control_is_drawn_where_it_has_the_loss():
    drawn = {
        (panel.stage, panel.objective): "var(--control)" in panel.picture for panel in panels(classification_run())
    }
    assert drawn["task", "hard labels"]
    assert not drawn["task", "soft targets"]


def test_a_total_of_one_objective_is_not_drawn_twice():
    assert [panel.objective for panel in panels(regression_run())] == ["soft targets"]


def test_steps_without_a_number_are_left_out():
    run = {
        "seeds": [{"history": [{"stage": "task", "step": 1, "loss": None}, {"stage": "task", "step": 2, "loss": None}]}]
    }
    assert panels(run) == []
