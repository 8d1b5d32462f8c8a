import csv
import json
from pathlib import Path

import pytest

from benchmarks.collect import collect, run_row
from pocketbert.errors import UserError
from tests.benchmarks.sample_run import classification_run


def test_scores_are_those_of_the_record():
    run = classification_run()
    teacher = run["quality"]["teacher"]
    row = run_row(run)
    assert row["teacher"] == f"{100 * teacher['value']:.1f} [{100 * teacher['low']:.1f}, {100 * teacher['high']:.1f}]"
    assert row["command"] == run["command"]
    student, teacher = (run["models"][who]["parameters_without_embeddings"] for who in ("student", "teacher"))
    assert float(row["encoder %"]) == pytest.approx(100 * student / teacher, abs=0.05)


def test_differences_are_times_100_with_their_sign():
    run = classification_run()
    run["quality"]["comparisons"]["student_minus_control"] = {"difference": 0.0138, "low": -0.0011, "high": 0.0287}
    run["quality"]["kept"] = {"student": {"share": 0.9962, "low": None, "high": None}}
    row = run_row(run)
    assert row["distilled - control"] == "+1.4 [-0.1, +2.9]"
    assert row["kept %"] == "99.6"


def test_each_teacher_and_its_distance_are_told():
    run = classification_run()
    run["teachers"] = [{"quality": {"value": 0.8968}}, {"quality": {"value": 0.8956}}, {"name": "of a corpus"}]
    run["quality"]["student"] |= {"kl": 0.1262, "calibration_error": 0.0714}
    row = run_row(run)
    assert row["each teacher"] == "89.7, 89.6"
    assert row["distilled KL to teacher"] == "0.126"
    assert row["distilled calibration error"] == "0.071"


def test_the_folder_of_the_data_is_named_data(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(classification_run() | {"command": "x --data /places/sst2"}))
    collect([tmp_path], tmp_path / "results.csv", Path("/places"))
    assert "x --data DATA/sst2" in (tmp_path / "results.csv").read_text()


def test_what_was_not_measured_is_empty():
    run = classification_run()
    run["quality"]["control"] = None
    run["latency"]["rows"] = []
    row = run_row(run)
    assert row["control"] == row["student int8 ms"] == ""


def test_one_row_a_run(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(classification_run()))
    collect([tmp_path / "a", tmp_path / "b"], tmp_path / "deep" / "results.csv", None)
    with (tmp_path / "deep" / "results.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 2


def test_an_unfinished_run_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no run\.json"):
        collect([tmp_path], tmp_path / "results.csv", None)
