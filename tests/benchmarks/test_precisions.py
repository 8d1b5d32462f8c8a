import csv

import pytest
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification
from typer.testing import CliRunner

from benchmarks.precisions import app
from pocketbert.errors import UserError
from students.exporting.precisions import MIXED, PRECISIONS, STATIC
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces


def _run(tmp_path, head, *more):
    folder = tmp_path / "model"
    config = family_config("bert")
    config.num_labels = 2
    random_model(config, head).save_pretrained(folder)
    wordpieces(["film", "good"]).save_pretrained(folder)
    texts = tmp_path / "texts.tsv"
    texts.write_text("sentence\tlabel\n" + "".join(f"{'good ' * n}film\t{n % 2}\n" for n in range(1, 7)))
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(app, [str(folder), "--labelled", str(texts), "--results", str(out), "--rows", "5", *more])
    if done.exception:
        raise done.exception
    with out.open() as stream:
        return list(csv.DictReader(stream))


def test_every_precision_has_its_loss(tmp_path):
    rows = {row["precision"]: row for row in _run(tmp_path, AutoModelForSequenceClassification)}
    assert set(rows) == set(PRECISIONS) - {STATIC, MIXED}
    assert rows["fp32"]["points lost or gained"] == "+0.00 [+0.00, +0.00]"
    assert rows["fp32"]["same answers %"] == "100.00"
    assert float(rows["fp32"]["KL"]) == 0
    assert float(rows["fp32"]["largest"]) < float(rows["fp16"]["largest"]) + 1e-3
    assert float(rows["int8"]["mean logit error"]) > float(rows["fp32"]["mean logit error"])
    assert float(rows["int8"]["MB"]) < float(rows["fp32"]["MB"])
    assert {row["rows"] for row in rows.values()} == {"5"}


def test_fixed_ranges_are_of_other_texts(tmp_path):
    other = tmp_path / "other.tsv"
    other.write_text("sentence\tlabel\n" + "".join(f"{'film ' * (n % 9)}good\t{n % 2}\n" for n in range(40)))
    rows = {
        row["precision"]: row for row in _run(tmp_path, AutoModelForSequenceClassification, "--calibration", str(other))
    }
    assert set(rows) == set(PRECISIONS) - {MIXED}
    assert float(rows[STATIC]["mean logit error"]) > float(rows["fp32"]["mean logit error"])


def test_a_head_for_something_else_is_refused(tmp_path):
    with pytest.raises(UserError, match="two classes"):
        _run(tmp_path, AutoModelForTokenClassification)
