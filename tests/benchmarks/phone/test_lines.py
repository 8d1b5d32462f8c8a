import csv
import json

from benchmarks.phone.lines import write_lines
from benchmarks.phone.results import document, understood


def test_a_line_a_file_and_length_with_the_laptop_beside_it(sent, given, tmp_path):
    found = document(understood(json.dumps(sent).encode(), given), given.files, "2026-01-01 10:00 UTC")
    laptop = {"rows": [{**found["rows"][0], "p50_ms": 0.5}]}
    with write_lines(tmp_path, [found, found], laptop).open() as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 2 * len(found["rows"])
    first, second = lines[:2]
    assert (first["device"], first["file"], first["length"]) == ("Pixel 7", "model-fp32.onnx", "4")
    assert (first["laptop, 1 thread, p50 ms"], second["laptop, 1 thread, p50 ms"]) == ("0.5", "")
    assert (first["times as fast as the first"], second["times as fast as the first"]) == ("1.00", "2.02")
    assert second["same answers"] == "1.000"


def test_nothing_timed_leaves_no_file(sent, given, tmp_path):
    sent |= {"cells": [], "complete": False}
    found = document(understood(json.dumps(sent).encode(), given), given.files, "now")
    assert write_lines(tmp_path, [found], None) is None
    assert list(tmp_path.iterdir()) == []
