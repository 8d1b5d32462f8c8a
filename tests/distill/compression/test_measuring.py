"""What is told of a step: its file's answers, in the data's units, and those on rows without labels."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from distill.compression import measuring
from distill.compression.files import CALIBRATION_ROWS, calibration_rows, write_file
from distill.compression.measuring import measure, unlabelled
from distill.compression.steps import Applied
from distill.evaluation import predict
from students.exporting.running import run_onnx
from tests.distill.compression.conftest import ready

RECIPES = {"asked": (), "labels alone": ("stages.0.objectives={hard_labels: {}}",)}


@pytest.fixture(scope="module")
def scores(files, tmp_path_factory):
    """A run on pairs with scores."""
    return ready(files, tmp_path_factory.mktemp("scores") / "run", data="values", metric="pearson")


def test_a_regression_is_told_in_the_datas_units(scores, tmp_path):
    chain = scores.chain("trim,prune:0.3:steps=4,int8", tmp_path / "chain")
    run, (start, *_, last) = scores.run, chain.kept
    assert last.logits.mean() == pytest.approx(run.labels.mean(), abs=1.0), "between 1.5 and 4.25"
    rows = last.state.reading.rows.evaluation
    columns = rows.select_columns(["input_ids", "attention_mask", "token_type_ids"]).to_list()
    standard = run_onnx(last.file, columns, batch_size=1)
    assert last.logits == pytest.approx(run.task.in_units(standard), abs=1e-5)
    assert start.logits == pytest.approx(
        run.task.in_units(predict(start.state.model, rows_of(run), run.collator)), abs=1e-5
    )
    assert last.document["quality"]["metric"] == "pearson"
    pearson = np.corrcoef(last.logits[:, 0], run.labels)[0, 1]
    assert last.document["quality"]["value"] == pytest.approx(pearson, abs=1e-6)
    assert last.document["unlabelled"] is None and last.document["quality"]["agreement"] is None


def rows_of(run):
    return run.reading.rows.evaluation


@pytest.mark.parametrize("precision", ["int8-static", "mixed"])
def test_pairs_have_ranges_and_bits_too(scores, tmp_path, precision):
    chain = scores.chain(precision, tmp_path / "chain")
    assert chain.kept[1].document["precision"] == precision
    assert np.isfinite(chain.kept[1].logits).all()


def test_qat_of_a_regression(scores, tmp_path):
    chain = scores.chain("qat:steps=5", tmp_path / "chain")
    assert chain.state.ranges
    assert chain.kept[1].logits.mean() == pytest.approx(scores.run.labels.mean(), abs=1.0)


def test_rows_without_labels_tell_how_alike_the_models_are(files, classifier, tmp_path, monkeypatch):
    teacher = (str(classifier.run.folder / "teacher"),)
    run = ready(files, tmp_path / "run", teachers=teacher, labelled_rows=40)
    monkeypatch.setattr(measuring, "LEAST_UNLABELLED", 100)
    monkeypatch.setattr(measuring, "MOST_UNLABELLED", 110)
    chain = run.chain("trim,int8", tmp_path / "chain")
    reading = chain.state.reading
    found = chain.kept[-1].document["unlabelled"]
    assert found["rows"] == 110
    chosen = 40 + np.random.default_rng(0).permutation(120)[:110]
    rows = reading.rows.found.select(chosen.tolist())
    columns = rows.select_columns(["input_ids", "attention_mask", "token_type_ids"]).to_list()
    ours = run_onnx(chain.kept[-1].file, columns, batch_size=1)
    whole = run.run.reading.rows.found.select(chosen.tolist())
    theirs = predict(run.run.teacher.model, whole, run.run.collator)
    assert found["agreement"] == pytest.approx((ours.argmax(-1) == theirs.argmax(-1)).mean())
    assert chain.kept[0].document["unlabelled"]["rows"] == 110
    monkeypatch.setattr(measuring, "LEAST_UNLABELLED", 121)
    assert unlabelled(run.run, chain.state, chain.kept[-1].file) is None, "too few"


def test_rows_that_the_recipe_does_not_read_are_not_asked_about(files, classifier, tmp_path, monkeypatch):
    """A recipe of gold labels alone leaves rows without labels out, and so the teacher has no answers to them."""
    run = ready(files, tmp_path / "run", teachers=(str(classifier.run.folder / "teacher"),), labelled_rows=40)
    stage = run.run.config.recipe.stages[0].model_copy(update={"objectives": {"hard_labels": {}}})
    recipe = run.run.config.recipe.model_copy(update={"stages": (stage,)})
    bare = replace(run.run, config=run.run.config.model_copy(update={"recipe": recipe}))
    monkeypatch.setattr(measuring, "LEAST_UNLABELLED", 100)
    start = run.chain_start()
    write_file(bare, start, tmp_path / "model.onnx")
    assert unlabelled(bare, start, tmp_path / "model.onnx") is None


def test_a_file_says_where_it_comes_from_and_no_path(classifier, tmp_path):
    start = classifier.chain_start()
    write_file(classifier.run, start, tmp_path / "deep" / "model.onnx")
    facts = {each.key: each.value for each in onnx.load(tmp_path / "deep" / "model.onnx").metadata_props}
    assert facts["recipe"] == "logits" and facts["teacher"] == "teacher"
    assert start.model.device == classifier.run.student.device


def test_calibration_takes_labelled_rows_at_random(classifier):
    rows = calibration_rows(classifier.run, classifier.chain_start())
    assert len(rows) == min(160, CALIBRATION_ROWS)
    labelled = classifier.run.rows.labelled["input_ids"][:]
    assert [row["input_ids"] for row in rows] != labelled
    assert sorted(row["input_ids"] for row in rows) == sorted(labelled)


def test_a_change_is_against_the_answers_that_are_given(classifier, tmp_path):
    run, start = classifier.run, classifier.chain_start()
    said = predict(start.model, start.reading.rows.evaluation, start.reading.collator)
    wrong = np.stack([run.labels == 1, run.labels == 0], axis=-1).astype(np.float32)
    kept = measure(run, Applied(start, "as it is"), "1 x", tmp_path, said, wrong)
    assert kept.document["minus_start"]["difference"] == 0.0
    right = (said.argmax(-1) == run.labels).mean()
    assert kept.document["minus_before"]["difference"] in (pytest.approx(right), pytest.approx(right - 1))
