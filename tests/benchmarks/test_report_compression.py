import copy
import re

import pytest

from benchmarks.report import render
from benchmarks.report_compression import (
    After,
    compression_notes,
    compression_plot,
    compression_table,
    names_of,
    steps_of,
    waterfall,
)
from benchmarks.report_tables import latency_table
from tests.benchmarks.sample_run import classification_run, score


def step(name, megabytes, value, change, note="", precision="fp32"):
    return {
        "name": name,
        "note": note,
        "precision": precision,
        "bytes": int(megabytes * 1e6),
        "parameters": 1000,
        "quality": score("accuracy", value, value - 0.02, value + 0.02, agreement=0.953, kl=0.0412),
        "minus_start": {"difference": change, "low": change - 0.01, "high": change + 0.01},
        "minus_before": {"difference": change, "low": change - 0.01, "high": change + 0.01},
        "unlabelled": {"rows": 5000, "agreement": 0.961, "kl": 0.03},
    }


def compressed_run():
    """FIXTURE: a made-up record with a chain of two steps and a refused one."""
    run = classification_run()
    steps = [
        step("0 before", 57.4, 0.8853, 0.0),
        step("1 trim", 28.7, 0.8853, 0.0, "vocabulary: 9,000 of 30,522 pieces"),
        step("2 prune:0.5:rounds=2", 20.5, 0.8803, -0.005, "4x312 -> 4x156"),
    ]
    refused = step("3 int4", 5.1, 0.7, -0.1853, "the file is int4", "int4") | {"line": "int4: far too much <lost>"}
    run["compression"] = {"steps": steps, "refused": refused, "precision": None}
    times = {"0 before": 2.45, "1 trim": 2.45, "2 prune:0.5:rounds=2": 1.4}
    run["latency"]["rows"] += [
        {"model": name, "length": length, "p50_ms": time * length / 32, "p95_ms": time * length / 30, "samples": 144}
        for name, time in times.items()
        for length in (32, 128)
    ]
    return run


def test_the_table_has_the_start_each_step_and_the_refused_one_last():
    table = compression_table(compressed_run())
    assert [row[0].text for row in table.rows] == ["before", "trim", "prune:0.5:rounds=2", "int4"]
    assert [row[0].note for row in table.rows] == ["fp32", "fp32", "fp32", "refused"]
    assert table.heads == ["after", "file", "p50 at 128 tokens", "accuracy", "agreement", "on unlabelled text"]


def test_sizes_and_times_are_beside_the_start():
    rows = compression_table(compressed_run()).rows
    trimmed, pruned, refused = rows[1], rows[2], rows[3]
    assert (trimmed[1].note, pruned[1].note) == ("2.0x smaller", "2.8x smaller")
    assert trimmed[2].note == "" and pruned[2].note == "1.8x faster"
    assert pruned[2].text.startswith("5.60")  # 1.4 ms * 128 / 32
    assert refused[2].text == "–", "a refused file is not measured"


def test_the_metric_is_in_points_with_its_interval():
    before, _, pruned, _ = compression_table(compressed_run()).rows
    assert (pruned[3].text, pruned[3].note) == ("88.0", "−0.5 [−1.5, +0.5]")
    assert (before[3].text, before[3].note) == ("88.5", "")
    assert [cell.text for cell in pruned[4:]] == ["95.3 %", "96.1 %"]


def test_columns_that_nothing_fills_are_left_out():
    run = compressed_run()
    run["latency"] = None
    for each in steps_of(run):
        each["unlabelled"] = None
        each["quality"]["agreement"] = None
    assert compression_table(run).heads == ["after", "file", "accuracy"]


def test_notes_say_what_was_done_and_why_it_ended():
    assert compression_notes(compressed_run()) == [
        "trim: vocabulary: 9,000 of 30,522 pieces",
        "prune:0.5:rounds=2: 4x312 -> 4x156",
        "refused, and the chain ended before it: int4: far too much <lost>",
    ]


def test_the_picture_shows_the_steps_that_were_kept():
    picture = str(compression_plot(compressed_run()))
    for said in ("before</text>", "trim</text>", "prune</text>", "57.4</text>", "20.5</text>", "9.8</text>"):
        assert said in picture, said
    assert "int4</text>" not in picture
    assert str(compression_plot(compressed_run())) == picture


def test_a_bars_height_is_its_number():
    after = [After("before", 40.0, None, 88.0, 86.0, 90.0), After("trim", 10.0, None, 88.0, 90.0, 86.0)]
    picture = str(waterfall(after, "accuracy", "d"))
    assert "40</text>" in picture and "10</text>" in picture and "ms</text>" not in picture
    bars = [path for path in re.findall(r'd="(M [^"]+?) z', picture) if path.count("L") == 3]
    heights = [max(ys) - min(ys) for ys in (_ys(path) for path in bars)]
    assert any(a == pytest.approx(4 * b, rel=0.01) for a in heights for b in heights)


def _ys(path):
    return [float(point.split()[1]) for point in re.split(r"[ML] ", path) if point.strip()]


def test_a_run_without_a_chain_has_no_section():
    run = classification_run()
    assert compression_table(run).rows == [] and compression_notes(run) == [] and compression_plot(run) is None
    assert names_of(run) == set()
    assert "Compression, step by step" not in render(run)


def test_a_chain_that_was_refused_at_once_has_a_table_and_no_picture():
    run = compressed_run()
    run["compression"]["steps"] = run["compression"]["steps"][:1]
    assert len(compression_table(run).rows) == 2 and compression_plot(run) is None


def test_the_report_has_table_picture_and_reason_and_escapes_them():
    page = render(compressed_run())
    assert "Compression, step by step" in page
    assert "size, latency and accuracy after each step of the compression" in page
    assert "far too much &lt;lost&gt;" in page and "<lost>" not in page


def test_the_latency_table_leaves_the_chains_files_out():
    names = {row[0].text for row in latency_table(compressed_run()).rows}
    assert not names & names_of(compressed_run())
    assert "student int8" in names


@pytest.mark.parametrize("gone", ["bytes", "quality", "minus_start", "note", "precision", "unlabelled", "name"])
def test_anything_may_be_missing(gone):
    run = compressed_run()
    for each in steps_of(run):
        del each[gone]
    assert len(compression_table(run).rows) == 4
    assert str(compression_plot(run)).startswith("<svg")


@pytest.mark.parametrize("chain", [None, {}, {"steps": None, "refused": None}, {"steps": [], "refused": {}}])
def test_half_a_record_is_shown_without_it(chain):
    run = classification_run() | {"compression": chain}
    assert compression_table(run).rows == [] and compression_plot(run) is None and compression_notes(run) == []


def test_the_record_is_not_changed():
    run = compressed_run()
    before = copy.deepcopy(run)
    render(run)
    assert run == before


def test_the_form_to_ship_is_the_chains_precision():
    run = compressed_run()
    run["compression"] |= {"precision": "int8-static", "refused": None}
    run["quality"]["student_int8-static_onnx"] = score("accuracy", 0.8791, 0.86, 0.90, agreement=0.94, kl=0.08)
    assert "int8-static ONNX" in render(run)
