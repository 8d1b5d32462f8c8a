import pytest

from benchmarks import report_format as form


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (14_350_248, "14.4 M"),
        (1_250_000_000, "1.25 G"),
        (999_400, "999 k"),
        (999_950, "1.00 M"),
        (109_482_240, "109 M"),
        (512, "512"),
        (0, "0"),
        (None, "–"),
    ],
)
def test_counts_have_three_digits_and_a_letter(number, text):
    assert form.count(number) == text


def test_bytes_are_decimal_megabytes():
    assert form.megabytes(15_400_000) == "15.4 MB"
    assert form.megabytes(438_000_000) == "438 MB"
    assert form.megabytes(9_996_000) == "10.0 MB"
    assert form.megabytes(None) == "–"


def test_scores_of_fractions_are_times_a_hundred():
    assert form.score("accuracy", 0.8912) == "89.1"
    assert form.score("matthews", -0.0612) == "−6.1"
    assert form.score("rmse_to_teacher", 0.4127) == "0.413"


def test_differences_keep_their_sign_and_zero_has_none():
    assert form.difference("f1", 0.0034) == "+0.3"
    assert form.difference("f1", -0.009) == "−0.9"
    assert form.difference("f1", -0.0001) == "0.0"
    assert form.difference("rmse_to_teacher", 0.01) == "+0.010"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(9.0, "1/9"), (8.6, "1/9"), (8.49, "12 %"), (2.4, "42 %"), (1.0, "100 %"), (0.5, "2.0x"), (3.5, "29 %")],
)
def test_a_share_is_a_fraction_only_where_that_is_near(ratio, text):
    assert form.share(ratio) == text


def test_a_share_never_misleads_by_more_than_six_percent():
    for ratio in (1 + step / 37 for step in range(900)):
        text = form.share(ratio)
        said = 1 / int(text.removeprefix("1/")) if text.startswith("1/") else int(text.removesuffix(" %")) / 100
        assert said == pytest.approx(1 / ratio, rel=0.065, abs=0.005), ratio


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.21, "4.2 s"), (59.7, "1 min 00 s"), (412.0, "6 min 52 s"), (7_512, "2 h 05 min")]
)
def test_durations(seconds, text):
    assert form.duration(seconds) == text


def test_small_numbers_do_not_read_as_zero():
    assert form.decimal(2.1e-6) == "2e−6"
    assert form.decimal(-2.1e-6) == "−2e−6"
    assert form.decimal(0.0311) == "0.031"
    assert form.decimal(0.0) == "0.000"


def test_p_values():
    assert form.probability(0.0314) == "p = 0.031"
    assert form.probability(0.0002) == "p < 0.001"


def test_clip_cuts_at_a_word_and_folds_white_space():
    assert form.clip("one  two\nthree", limit=20) == "one two three"
    assert form.clip("seven words are too many for this", limit=20) == "seven words are …"
    assert form.clip("x" * 50, limit=20) == "x" * 19 + "…"


def test_numbers_stay_with_their_unit():
    assert form.unbroken("97.2 % of 1 thread in 6.1 ms") == "97.2\u00a0% of 1 thread in 6.1\u00a0ms"
