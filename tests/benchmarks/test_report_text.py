import pytest

from benchmarks.report_tables import quality_table
from benchmarks.report_text import control_line, headline, judge
from tests.benchmarks.sample_run import classification_run, regression_run


def one_seed(difference, low, high):
    run = classification_run()
    run["seeds"] = run["seeds"][:1]
    run["summary_over_seeds"] = None
    run["quality"]["comparisons"]["student_minus_control"] = {"difference": difference, "low": low, "high": high}
    return run


def test_headline_of_a_full_run():
    # 0.8761 / 0.9014 = 0.97193; 6.12 / 1.20 = 5.1; 90.9 / 10.1 = 9.0
    assert headline(classification_run()).title == "keeps 97.2 % of the teacher at 5.1x the speed and 1/9 of the size"


def test_detail_states_the_conditions_and_int8_against_int8():
    assert headline(classification_run()).detail == (
        "The student as int8 ONNX against the teacher in fp32: accuracy 87.6 against 90.1; 1.20 ms against 6.12 ms "
        "at 32 tokens (ONNX Runtime, p50, 1 thread, batch 1); 10.1 MB against 90.9 MB. "
        "With the teacher in int8 too, the speed is 2.6x."
    )


def test_detail_gives_the_interval_of_what_is_kept():
    run = classification_run()
    run["quality"]["kept"] = {"student_int8_onnx": {"share": 0.972, "low": 0.951, "high": 0.9911}}
    assert "90.1 (95 % interval of what is kept: 95.1 % to 99.1 %); 1.20 ms" in headline(run).detail


def test_headline_falls_back_to_fp32_onnx():
    title = headline(regression_run()).title
    assert title == "keeps 96.4 % of the teacher at 2.5x the speed and 63 % of the size"


def test_a_refused_export_is_not_what_the_headline_speaks_of():
    run = classification_run()
    next(item for item in run["artefacts"] if item["name"] == "student int8")["parity"]["refused"] = True
    line = headline(run)
    # 0.8853 / 0.9014 = 0.98214; 6.12 / 2.45 = 2.498; 57.6 / 90.9 = 0.634
    assert line.title == "keeps 98.2 % of the teacher at 2.5x the speed and 63 % of the size"
    assert line.detail.endswith("The int8 ONNX export was refused.")


def test_headline_says_what_is_known_without_the_rest():
    run = classification_run()
    del run["latency"]
    assert headline(run).title == "keeps 97.2 % of the teacher at 1/9 of the size"
    run["artefacts"] = []
    assert headline(run).title == "keeps 97.2 % of the teacher"
    run["quality"]["teacher"] = None
    assert headline(run).title == "scores 87.6 (accuracy; teacher not measured)"
    run["quality"] = None
    assert headline(run).title == "trained, but nothing was measured against the teacher"


def test_headline_without_quality():
    run = classification_run() | {"quality": None}
    assert headline(run).title == "5.1x the speed and 1/9 of the size of the teacher; quality not measured"


def test_a_teacher_at_zero_gives_no_share():
    run = classification_run()
    run["quality"]["teacher"]["value"] = 0.0
    title = headline(run).title
    assert title == "scores 87.6 where the teacher scores 0.0 at 5.1x the speed and 1/9 of the size"


def test_a_teacher_no_better_than_one_answer_for_all_gives_no_share():
    run = classification_run()
    run["quality"]["teacher"]["low"] = 0.88
    run["quality"]["constant_answer"] = 0.879
    assert headline(run).title.startswith("keeps 97.2 %")
    run["quality"]["constant_answer"] = 0.88
    assert headline(run).title == (
        "scores 87.6 where the teacher scores 90.1, not clearly better than one answer for every row, "
        "at 5.1x the speed and 1/9 of the size"
    )


def test_speed_is_quoted_at_the_length_nearest_to_32():
    run = classification_run()
    run["latency"]["rows"] = [row for row in run["latency"]["rows"] if row["length"] != 32]
    assert "at 16 tokens" in headline(run).detail


def test_a_student_no_better_than_its_control_is_called_so():
    text, verdict = control_line(one_seed(0.003, -0.009, 0.015))
    assert verdict == "unclear"
    assert text.startswith(
        "No better than the same student trained without the teacher: +0.3 points, 95 % interval −0.9 to +1.5 (one seed"
    )


def test_a_student_worse_than_its_control_is_called_so():
    text, verdict = control_line(one_seed(-0.02, -0.03, -0.01))
    assert verdict == "worse"
    assert text.startswith("Worse than the same student trained without the teacher: −2.0 points")


def test_several_seeds_are_judged_by_their_paired_difference():
    assert control_line(classification_run()) == (
        "Better than the same student trained without the teacher: +1.4 points, 95 % interval +0.4 to +2.4 "
        "(3 seeds, paired, p = 0.026).",
        "better",
    )


def test_without_an_interval_nothing_is_claimed():
    text, verdict = control_line(one_seed(0.05, None, None))
    assert verdict == "unknown"
    assert "chance is not ruled out" in text


def test_without_a_control_the_page_says_how_to_get_one():
    text, verdict = control_line(regression_run())
    assert verdict == "unknown"
    assert "--control" in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.2, "better"),
        (0.0, 0.2, "unclear"),
        (-0.2, 0.0, "unclear"),
        (-0.2, -0.1, "worse"),
        (None, 0.2, "unknown"),
    ],
)
def test_an_interval_that_touches_zero_is_unclear(low, high, verdict):
    assert judge({"low": low, "high": high}) == verdict


def test_several_teachers_are_said():
    run = classification_run()
    run["teachers"] = [{"name": "minilm", "seed": seed, "quality": {"value": 0.9 + seed / 100}} for seed in (0, 1)]
    found = headline(run)
    assert found.title.startswith("keeps ") and "of the average of 2 teachers at" in found.title
    assert found.title.endswith("the size of the first")
    assert "in speed and size the first of them" in found.detail
    notes = [row[0].note for row in quality_table(run).rows]
    assert notes[:3] == ["average of 2", "minilm, seed 0", "minilm, seed 1"]
