import csv

from transformers import AutoModelForSequenceClassification
from typer.testing import CliRunner

from benchmarks.exporting import app
from pocketbert.errors import UserError
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces


def _folder(place, family):
    random_model(family_config(family), AutoModelForSequenceClassification).save_pretrained(place)
    wordpieces(["the", "film"]).save_pretrained(place)
    return str(place)


def test_each_model_has_its_seconds(tmp_path):
    folders = [_folder(tmp_path / name, name) for name in ("bert", "mobilebert")]
    result = CliRunner().invoke(app, [*folders, "--results", str(tmp_path / "out.csv"), "--rounds", "1"])
    assert result.exit_code == 0, result.output
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["model"] for row in rows] == ["bert", "mobilebert"]
    for row in rows:
        assert 0 <= float(row["fp32 file, s"]) < float(row["folder with parity, s"])


def test_a_family_that_is_traced_is_refused(tmp_path):
    result = CliRunner().invoke(
        app, [_folder(tmp_path / "other", "deberta-v2"), "--results", str(tmp_path / "out.csv")]
    )
    assert isinstance(result.exception, UserError)
