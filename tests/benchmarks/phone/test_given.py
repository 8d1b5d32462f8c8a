"""What contradicts what the phone was given is refused, and the laptop judges the answers itself."""

import json
from dataclasses import replace

import pytest

from benchmarks.phone.results import understood
from pocketbert.errors import UserError


def _judged(sent, given):
    return understood(json.dumps(sent).encode(), given)


def _refused(sent, given, message):
    with pytest.raises(UserError, match=message):
        _judged(sent, given)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("batch",), 2, "batch 2 was not asked for, but 1"),
        (("context", "provider"), "webgpu", "webgpu was not asked for"),
        (("context", "runtime"), "1.29.0", "the runtime given out is 1.30.0"),
        (("cells", 3, "length"), 16, "16 tokens were not asked for"),
        (("cells", 3, "threads"), 5, "5 threads are more than was asked for: 4"),
        (("cells", 3, "samples_ms"), [[1.0]] * 4, "more rounds than the 3"),
        (("files", 1, "golden", "texts"), 2, "has 3 golden sentences, and 2 are answered"),
        (("files", 1, "golden", "agreement"), None, "of another task"),
        (("files", 1, "golden", "agreement"), -0.5, "failed or was not opened, and is timed all the same"),
        (("files", 1, "golden"), None, "answers to them are missing"),
        (("files", 1, "failed"), "by itself", "timed all the same"),
        (("sustained",), {"name": "model-int8.onnx", "length": 16, "threads": 1, "minutes": []}, "16 tokens"),
        (("sustained",), {"name": "model-int8.onnx", "length": 8, "threads": 9, "minutes": []}, "9 threads"),
    ],
)
def test_what_contradicts_the_plan_is_refused(sent, given, path, value, message):
    *steps, last = path
    place = sent
    for step in steps:
        place = place[step]
    place[last] = value
    _refused(sent, given, message)


def test_a_complete_result_has_every_file_timed_or_failed(sent, given):
    sent["cells"] = sent["cells"][::2]
    _refused(sent, given, "'model-int8.onnx' is neither timed nor failed")
    assert _judged({**sent, "complete": False}, given).cells
    sent["files"][1]["failed"] = "out of memory"
    assert _judged(sent, given).complete


def test_a_file_that_was_not_opened_has_no_times(sent, given):
    sent["files"] = sent["files"][:1]
    _refused({**sent, "complete": False}, given, "was not opened")


def test_answers_are_judged_here_whatever_the_page_says(sent, given):
    sent["files"][1]["golden"]["agreement"] = -0.5
    sent |= {"cells": sent["cells"][::2], "complete": False}
    assert _judged(sent, given).files[1].failed == "only -0.500 of its answers are as they should be"


def test_a_regression_is_judged_by_its_difference(sent, given):
    checked = replace(given.files[1].proven.golden, agreement=None)
    proven = replace(given.files[1].proven, golden=checked)
    given = replace(given, files=[given.files[0], replace(given.files[1], proven=proven)])
    sent["files"][1]["golden"] |= {"agreement": None, "relative_difference": proven.limits.difference}
    assert _judged(sent, given).files[1].failed is None
    sent["files"][1]["golden"]["relative_difference"] = 1.01 * proven.limits.difference
    _refused(sent, given, "timed all the same")


def test_threads_are_at_most_those_asked_for_and_one_on_the_gpu(sent, given):
    for threads, most in (((1, 2), 2), ((8,), 8)):
        asked = replace(given, plan=replace(given.plan, threads=threads))
        assert _judged(sent, asked).cells, "fewer are what a page without isolation has"
        _refused({**sent, "cells": [{**sent["cells"][0], "threads": most + 1}]}, asked, "more than was asked for")
    gpu = replace(given, plan=replace(given.plan, provider="webgpu"))
    sent["context"]["provider"] = "webgpu"
    _refused(sent, gpu, "2 threads are more than was asked for: 1")


def test_a_sustained_run_is_as_long_as_asked_for(sent, given):
    minutes = [{"minute": number, "calls": 9, "p50_ms": 2.0, "p90_ms": 4.0} for number in (1, 2, 3)]
    sent["sustained"] = {"name": "model-int8.onnx", "length": 8, "threads": 2, "minutes": minutes}
    _refused(sent, given, "2 were asked for")
    sent["sustained"]["minutes"] = minutes[:2]
    assert _judged(sent, given).sustained


def test_answers_to_no_sentences_are_refused(sent, given):
    proven = replace(given.files[1].proven, golden=None)
    bare = replace(given, files=[given.files[0], replace(given.files[1], golden=None, proven=proven)])
    _refused(sent, bare, "has no golden sentences")
    sent["files"][1]["golden"] = None
    assert _judged(sent, bare).files[1].failed is None
