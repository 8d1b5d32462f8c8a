import json

import pytest

from pocketbert.errors import UserError
from students.exporting.forms import FORMS
from students.exporting.tuning import WORTH, file_name, measured_elsewhere, tuned


def _rows(times):
    """Rows of every form of int8 at two lengths; times by form, 2 ms where none is given."""
    return [
        {"name": file_name("int8", form), "length": length, "threads": 1, "p50_ms": times.get(form.name, 2.0) * length}
        for form in FORMS["int8"]
        for length in (1, 4)
    ]


def _kept(found):
    return [each.form.name for each in found if each.chosen]


def test_the_fastest_is_kept():
    found = tuned(_rows({"separate-skip": 1.0, "integer": 1.5}), ["int8"])
    assert _kept(found) == ["separate-skip"]
    assert {each.form.name: each.speed for each in found}["separate-skip"] == pytest.approx(2.0)


def test_speeds_are_geometric_means_over_lengths():
    rows = _rows({})
    own = [row for row in rows if row["name"] == file_name("int8", FORMS["int8"][2])]
    own[0]["p50_ms"], own[1]["p50_ms"] = 2.0 / 4, 8.0 / 1
    assert tuned(rows, ["int8"])[2].speed == pytest.approx(2.0)


def test_what_is_noise_changes_nothing():
    assert _kept(tuned(_rows({"integer": 2.0 / (WORTH - 0.005)}), ["int8"])) == ["merged"]


def test_each_precision_has_its_own():
    float32 = [
        {"name": file_name("fp32", form), "length": 1, "threads": 1, "p50_ms": 1.0 if form.skips else 3.0}
        for form in FORMS["fp32"]
    ]
    assert _kept(tuned([*_rows({"integer": 1.0}), *float32], ["fp32", "int8"])) == ["separate-skip", "integer"]


def test_a_form_that_was_not_measured_is_named():
    rows = [row for row in _rows({}) if "integer-skip" not in row["name"]]
    with pytest.raises(UserError, match=r"model-int8-integer-skip.onnx was not measured"):
        tuned(rows, ["int8"])
    with pytest.raises(UserError, match="was not measured beside the others"):
        tuned(_rows({})[:-1], ["int8"])


@pytest.mark.parametrize("content", [None, "{", "[]", '{"rows": 1}', '{"rows": [{"name": "x"}]}', '{"rows": []}'])
def test_what_is_no_result_is_said(tmp_path, content):
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=r"--measured .*result.json"):
        measured_elsewhere(path, ["int8"])


def test_a_device_decides(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"rows": _rows({"integer": 1.0})}))
    assert _kept(measured_elsewhere(path, ["int8"])) == ["integer"]
