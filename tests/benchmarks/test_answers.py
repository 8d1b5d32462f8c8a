import csv
import json

import pytest
from typer.testing import CliRunner

from benchmarks.answers import app
from benchmarks.comparing import compare
from pocketbert.errors import UserError
from students.exporting.deployment import deploy
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces


@pytest.fixture
def result(tmp_path):
    folder = tmp_path / "model"
    deploy(
        random_model(family_config("bert")), wordpieces(["film"]), folder, ["a film", "film"], ["fp32", "int8"],
        least_agreement=0,
    )  # fmt: skip
    file = tmp_path / "bert.json"
    compare(sorted(folder.glob("*.onnx")), check=True, json=file)
    return file


def _rows(result, out):
    done = CliRunner().invoke(app, [str(result), "--results", str(out), "--note", "as here"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    with out.open() as stream:
        return list(csv.DictReader(stream))


def test_a_row_a_file_says_how_it_answers(result, tmp_path):
    rows = _rows(result, tmp_path / "out.csv")
    assert [(row["model"], row["file"], row["sentences"]) for row in rows] == [
        ("bert", "model-fp32.onnx", "2"),
        ("bert", "model-int8.onnx", "2"),
    ]
    assert float(rows[0]["of the largest answer"]) < 1e-4 < float(rows[1]["of the largest answer"])
    assert {row["passed"] for row in rows} == {"yes"}
    assert {row["how"] for row in rows} == {"as here"}


def test_a_file_that_failed_is_told(result, tmp_path):
    document = json.loads(result.read_text())
    document["files"][1]["failed"] = True
    result.write_text(json.dumps(document))
    assert [row["passed"] for row in _rows(result, tmp_path / "out.csv")] == ["yes", "no"]


def test_a_file_that_could_not_be_run_is_a_row_without_answers(result, tmp_path):
    document = json.loads(result.read_text())
    document["files"][1] |= {"failed": True, "golden": None}
    result.write_text(json.dumps(document))
    row = _rows(result, tmp_path / "out.csv")[1]
    assert (row["passed"], row["sentences"], row["of the largest answer"]) == ("no", "0", "")


@pytest.mark.parametrize("content", ["{}", "[", '{"schema": 1, "files": []}', '{"schema": 2, "files": [{}]}'])
def test_other_files_are_refused(tmp_path, content):
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(UserError, match=r"other\.json"):
        _rows(file, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
