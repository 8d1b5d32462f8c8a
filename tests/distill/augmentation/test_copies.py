import numpy as np
import pytest

from distill.augmentation.copies import Replaceable, draw_copies

TEXT = "A good, long film."
WORDS = [Replaceable(2, 6, ("bad", "fine")), Replaceable(8, 12, ()), Replaceable(13, 17, ("movie",))]


def test_every_word_with_candidates_is_replaced_at_probability_1():
    copies = draw_copies(TEXT, WORDS, 50, 1.0, np.random.default_rng(0))
    assert set(copies) == {"A bad, long movie.", "A fine, long movie."}


def test_words_are_replaced_as_often_as_asked():
    copies = draw_copies(TEXT, WORDS, 20_000, 0.4, np.random.default_rng(0))
    replaced = np.array([["good" not in copy, "film" not in copy] for copy in copies])
    assert replaced.mean(0) == pytest.approx([0.4, 0.4], abs=0.015)
    both = replaced.all(1).mean()
    assert both == pytest.approx(0.16, abs=0.015), "each word for itself"
    assert np.mean(["bad" in copy for copy in copies]) == pytest.approx(0.2, abs=0.015), "candidates alike"


def test_equal_seeds_draw_equal_copies():
    draws = [draw_copies(TEXT, WORDS, 5, 0.4, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_a_text_without_words_stays():
    assert draw_copies("...", [], 2, 0.4, np.random.default_rng(0)) == ["...", "..."]
