import numpy as np
import pytest

from nas.denoising import FEWEST, denoised

DISTANCES = np.exp(np.linspace(-3, 0, 12))


def _metrics(noise, seed=0, misfit=0.0):
    draw = np.random.default_rng(seed)
    true = 0.6 - 0.1 * np.log(DISTANCES) + misfit * draw.standard_normal(len(DISTANCES))
    return true, true + noise * draw.standard_normal(len(DISTANCES))


def test_a_literal_by_hand():
    logarithms = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0])
    # Around 0.5 - 0.1 log(distance); what is added is orthogonal to a line, so that the line stays as it is.
    added = np.array([0.02, -0.02, -0.02, 0.02, 0.0, 0.0]) + np.array([0.0, 0.0, 0.02, -0.06, 0.06, -0.02])
    added -= np.polyval(np.polyfit(logarithms, added, 1), logarithms)
    line = 0.5 - 0.1 * logarithms
    spread = np.square(added).sum() / 4
    noise = np.sqrt(spread / 4)  # three quarters of the variance are no noise
    drawn = denoised(list(line + added), list(np.exp(logarithms)), noise)
    np.testing.assert_allclose(drawn, line + 0.75 * added, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_error_shrinks(seed):
    true, measured = _metrics(0.02, seed)
    drawn = denoised(list(measured), list(DISTANCES), 0.02)
    assert np.square(drawn - true).mean() < 0.5 * np.square(measured - true).mean()


def test_a_line_that_does_not_fit_is_followed_little():
    true, measured = _metrics(0.01, misfit=0.1)
    drawn = denoised(list(measured), list(DISTANCES), 0.01)
    assert np.abs(drawn - measured).max() < 0.01
    assert np.square(drawn - true).mean() < 1.1 * np.square(measured - true).mean()


def test_metrics_without_noise_stay():
    _, measured = _metrics(0.02)
    np.testing.assert_array_equal(denoised(list(measured), list(DISTANCES), 0.0), measured)


def test_few_students_are_left_alone():
    _, measured = _metrics(0.02)
    few = list(measured[: FEWEST - 1])
    np.testing.assert_array_equal(denoised(few, list(DISTANCES[: FEWEST - 1]), 0.02), few)


@pytest.mark.parametrize(
    "distances",
    [list(DISTANCES[::-1]), [1.0] * 12, [*DISTANCES[:-1], float("nan")], [*DISTANCES[:-1], float("inf")]],
)
def test_a_distance_that_says_nothing_changes_nothing(distances):
    _, measured = _metrics(0.02)
    np.testing.assert_array_equal(denoised(list(measured), distances, 0.02), measured)


def test_a_student_that_answers_as_the_teacher_does_is_no_trouble():
    _, measured = _metrics(0.02)
    assert np.isfinite(denoised(list(measured), [0.0, *DISTANCES[1:]], 0.02)).all()
