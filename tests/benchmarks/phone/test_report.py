import json

import pytest

from benchmarks.phone.report import write_report
from benchmarks.phone.results import document, understood


def _page(tmp_path, given, *results, laptop=None):
    found = [
        document(understood(json.dumps(each).encode(), given), given.files, "2026-01-01 10:00 UTC") for each in results
    ]
    return write_report(tmp_path, "runs/demo", found, laptop).read_text()


def test_the_headline_is_the_last_file_beside_the_first(sent, given, tmp_path):
    page = _page(tmp_path, given, sent)
    # Medians 8.15 and 3.05 where 32 tokens were not measured: the shortest length, 4.15 and 2.05.
    assert "model-int8.onnx is 2.0x as fast as model-fp32.onnx on Pixel 7, at 4 tokens" in page.replace("\u00a0", " ")
    assert "2.05 ms" in page and "100.0 %" in page


def test_what_a_phone_says_is_text_and_no_markup(sent, given, tmp_path):
    sent["device"]["model"] = "<script>alert(1)</script>"
    page = _page(tmp_path, given, sent)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "default-src 'none'" in page


def test_several_phones_make_one_table(sent, given, tmp_path):
    other = json.loads(json.dumps(sent))
    other["device"]["model"] = "Galaxy S8"
    other["cells"] = other["cells"][:2]
    page = _page(tmp_path, given, sent, other)
    table = page[page.index("All phones") :]
    assert table.index("Galaxy S8") < table.index("Pixel 7") < table.index("</table>"), "the newest first"
    assert "All phones" not in _page(tmp_path, given, sent)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("complete",), False, "left in the middle"),
        (("context", "hidden_seconds"), 30.0, "in the background for 30 s"),
        (("context", "isolated"), False, "not isolated"),
        (("context", "timer_ms"), 0.1, "steps of 0.1 ms"),
        (("device", "battery"), 0.1, "battery was low"),
    ],
)
def test_what_a_reader_has_to_know_is_said(sent, given, tmp_path, path, value, told):
    assert told not in _page(tmp_path, given, sent)
    place = sent
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert told in _page(tmp_path, given, sent).replace("\u00a0", " ")


def test_a_file_that_failed_is_shown_as_failed_and_not_timed(sent, given, tmp_path):
    sent["files"][1]["failed"] = "only 0.333 of its answers are as they should be"
    sent["cells"] = [each for each in sent["cells"] if each["name"] == "model-fp32.onnx"]
    page = _page(tmp_path, given, sent)
    assert "model-int8.onnx was not timed: only 0.333 of its answers" in page
    assert "model-fp32.onnx takes" in page


def test_rounds_that_only_one_has_do_not_count_in_a_ratio(sent, given, tmp_path):
    for each in sent["cells"][::2]:
        each["samples_ms"] = each["samples_ms"][:1]
    assert "2.0x as fast" in _page(tmp_path, given, sent)


def test_the_laptop_stands_beside_the_phone(sent, given, tmp_path):
    found = document(understood(json.dumps(sent).encode(), given), given.files, "now")
    laptop = {"environment": {"processor": "Some Xeon"}, "rows": [{**row, "p50_ms": 0.123} for row in found["rows"]]}
    page = _page(tmp_path, given, sent, laptop=laptop)
    assert "laptop, ms" in page and "0.123" in page and "Some Xeon" in page


def test_a_sustained_run_has_its_minutes(sent, given, tmp_path):
    minutes = [{"minute": number, "calls": 900, "p50_ms": 2.0 + number, "p90_ms": 4.0} for number in (1, 2)]
    sent["sustained"] = {"name": "model-int8.onnx", "length": 4, "threads": 2, "minutes": minutes}
    page = _page(tmp_path, given, sent)
    assert "Kept busy" in page and "1.33x" in page
    assert "Kept busy" not in _page(tmp_path, given, {**sent, "sustained": None})


def test_answers_without_any_timing_are_shown(sent, given, tmp_path):
    sent |= {"cells": [], "complete": False, "files": sent["files"][:1]}
    page = _page(tmp_path, given, sent).replace("\u00a0", " ")
    assert "No file was timed yet" in page and "there is no timing" in page
    files = page[page.index("<h3>Files</h3>") :]
    assert "model-fp32.onnx" in files and "100.0 %" in files and "model-int8.onnx" not in files


def test_nothing_timed_is_a_page_all_the_same(sent, given, tmp_path):
    assert "No file was timed yet" in _page(tmp_path, given, {**sent, "cells": [], "complete": False})
    assert "No file was timed yet" in _page(tmp_path, given)
