import json
import unicodedata

import numpy as np
import pytest

from benchmarks.phone.results import document, keep, kept, understood
from nas.footprint import Setting
from nas.latency import _read
from pocketbert.errors import UserError
from pocketbert.files import write_json


def _bytes(value):
    return json.dumps(value).encode()


def _any(_):
    """Takes whatever it is given."""


def _changed(sent, path, value):
    *steps, last = path
    place = sent
    for step in steps:
        place = place[step]
    place[last] = value
    return _bytes(sent)


def test_what_is_kept_has_the_percentiles_of_all_samples(sent, given, tmp_path):
    found = document(understood(_bytes(sent), given), given.files, "2026-01-01 10:00 UTC")
    row = found["rows"][0]
    samples = [4.0, 4.2, 4.4, 4.0, 4.1, 4.3]
    assert row["p50_ms"] == pytest.approx(4.15) and row["samples"] == 6 and row["fastest_ms"] == 4.0
    assert row["p99_ms"] == pytest.approx(np.percentile(samples, 99))
    assert found["files"][1]["bytes"] == given.files[1].path.stat().st_size, (
        "what the laptop knows, not what a phone says"
    )
    assert found["environment"]["processor"] == "Pixel 7"
    keep(tmp_path, "20260101-100000-00000000", found)
    assert kept(tmp_path, _any, pytest.fail) == [json.loads(json.dumps(found))]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), 2, "schema"),
        (("device", "battery"), 1.5, "device.battery"),
        (("device", "model"), "x" * 401, "device.model"),
        (("device", "cores"), "8", "device.cores"),
        (("context", "provider"), "cuda", "context.provider"),
        (("cells", 0, "samples_ms", 0, 0), -1.0, "cells.0.samples_ms"),
        (("cells", 0, "samples_ms"), [[0.0]], "cells.0.samples_ms"),
        (("cells", 0, "samples_ms"), [[1e-300]], "cells.0.samples_ms"),
        (("cells", 0, "samples_ms"), [], "cells.0.samples_ms"),
        (("cells", 0, "samples_ms"), [[1.0]] * 201, "cells.0.samples_ms"),
        (("cells", 0, "samples_ms"), [[1.0], [1.0, 2.0]], "more samples in one round"),
        (("cells", 0, "name"), "../../etc/passwd", "was not given"),
        (("cells", 0, "length"), 8, "twice"),
        (("files", 0, "name"), "model-int8.onnx", "twice"),
        (("files", 0, "failed"), "wrong", "timed all the same"),
        (("files", 0, "fetch_ms"), float("nan"), "fetch_ms"),
        (("surprise",), 1, "surprise"),
    ],
)
def test_anything_else_is_refused_with_its_place(sent, given, path, value, message):
    with pytest.raises(UserError, match=message):
        understood(_changed(sent, path, value), given)


def _texts(value):
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def test_what_steers_a_terminal_or_a_texts_direction_is_replaced(sent, given):
    steering = "\x1b]0;owned\x07\r\n\x9b2J\u202e\u2066\u200b\u2028\x00\x7f"
    shown = "Größe 7 ✓"
    sent["device"] |= {name: shown + steering for name, value in sent["device"].items() if isinstance(value, str)}
    sent["files"][1] |= {"failed": shown + steering, "golden": None}
    sent["cells"] = sent["cells"][::2]
    found = document(understood(_bytes(sent), given), given.files, "now")
    texts = list(_texts(found))
    assert sum(text.startswith(shown) for text in texts) >= 7
    assert not {mark for text in texts for mark in text if unicodedata.category(mark)[0] == "C" or mark == "\u2028"}
    assert found["device"]["model"].startswith("Größe 7 ✓\N{REPLACEMENT CHARACTER}]0;owned")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"' + b"x" * 100, b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_document_is_refused(given, body):
    with pytest.raises(UserError, match="no result of schema 1"):
        understood(body, given)


@pytest.mark.parametrize("content", [b"{", b'{"schema": 9}', b"[]", b"\xff", b"[" * 100_000])
def test_a_strange_result_is_named_and_left_out(sent, given, tmp_path, content):
    strange = tmp_path / "20260101-100000-00000000.json"
    strange.write_bytes(content)
    found = document(understood(_bytes(sent), given), given.files, "2026-01-01 10:00 UTC")
    keep(tmp_path, "20260101-100000-00000001", found)
    told = []
    assert len(kept(tmp_path, _any, told.append)) == 1
    (line,) = told
    assert line.startswith(f"{strange} is left out: ") and "\n" not in line


def test_a_result_that_fails_its_check_is_named_and_left_out(sent, given, tmp_path):
    found = document(understood(_bytes(sent), given), given.files, "2026-01-01 10:00 UTC")
    path = keep(tmp_path, "20260101-100000-00000000", found)
    told = []
    assert kept(tmp_path, lambda _: 1 / 0, told.append) == []
    assert told == [f"{path} is left out: it can't be read as a phone's result (ZeroDivisionError)."]


def test_a_search_reads_a_phones_latencies(sent, given, tmp_path):
    found = document(understood(_bytes(sent), given), given.files, "2026-01-01 10:00 UTC")
    path = keep(tmp_path, "20260101-100000-00000000", found)
    write_json(tmp_path / "students.json", {"model-fp32.onnx": "2x128", "model-int8.onnx": "4x312"})
    timings, facts = _read(path, tmp_path, Setting(8, 1, 2))
    assert [(each.student, each.milliseconds) for each in timings] == [
        ("2x128", pytest.approx(8.15)),
        ("4x312", pytest.approx(3.05)),
    ]
    assert facts["processor"] == "Pixel 7"
