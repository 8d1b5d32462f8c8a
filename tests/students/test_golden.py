from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification

from pocketbert.errors import UserError
from students.exporting.answers import torch_answers
from students.exporting.files import export_fp32
from students.exporting.golden import TEXTS, Golden, check, compare
from students.exporting.tasks import task_of
from tests.students.exporting import family_config, random_model, texts


def _golden(model, lengths=(9, 3, 1)):
    task, encodings = task_of(model), texts(lengths)
    feeds = [{name: np.array([ids]) for name, ids in encoding.items()} for encoding in encodings]
    expected = [
        {name: values[0].tolist() for name, values in torch_answers(model, task, feed).items()} for feed in feeds
    ]
    return Golden(task.name, ["a", "b", "c"], [str(length) for length in lengths], encodings, expected)


@pytest.mark.parametrize("head", [None, AutoModelForTokenClassification, AutoModelForQuestionAnswering])
def test_a_file_says_what_its_golden_sentences_expect(tmp_path: Path, head: type | None) -> None:
    config = family_config("bert")
    config.num_labels = 2
    model = random_model(config, *([] if head is None else [head]))
    golden = _golden(model)
    golden.write(tmp_path / "golden.json")
    export_fp32(model, tmp_path / "model.onnx")
    found = Golden.read(tmp_path / "golden.json")
    assert found == golden
    checked = check(found, tmp_path / "model.onnx")
    assert checked.texts == 3
    assert checked.agreement == 1.0
    assert checked.relative_difference < 1e-5


def test_another_model_is_found_out(tmp_path: Path) -> None:
    golden, other = _golden(random_model(family_config("bert"))), random_model(family_config("distilbert"))
    export_fp32(other, tmp_path / "model.onnx")
    assert check(golden, tmp_path / "model.onnx").relative_difference > 0.1
    export_fp32(random_model(family_config("bert"), AutoModelForTokenClassification), tmp_path / "tokens.onnx")
    with pytest.raises(UserError, match="is it another model"):
        check(golden, tmp_path / "tokens.onnx")


def test_comparing_by_hand() -> None:
    expected = [{"logits": np.array([1.0, 2.0])}, {"logits": np.array([3.0, -4.0])}]
    actual = [{"logits": np.array([1.0, 2.5])}, {"logits": np.array([-5.0, -4.0])}]
    checked = compare("classification", expected, actual)
    assert (checked.largest_difference, checked.relative_difference, checked.agreement) == (8.0, 2.0, 0.5)
    one = [{"logits": np.array([1.0])}]
    assert compare("classification", one, one).agreement is None, "a regression has no classes"
    vectors = [{"embeddings": np.array([1.0, 0.0])}], [{"embeddings": np.array([1.0, 1.0])}]
    assert compare("embedding", *vectors).agreement == pytest.approx(2**-0.5)
    spans = {"start_logits": np.array([0.0, 1.0]), "end_logits": np.array([0.0, 1.0])}
    moved = spans | {"end_logits": np.array([2.0, 1.0])}
    assert compare("question-answering", [spans], [moved]).agreement == 0.5
    with pytest.raises(UserError, match="NaN or infinite"):
        compare("classification", one, [{"logits": np.array([np.nan])}])
    with pytest.raises(UserError, match="0 and 0 texts"):
        compare("classification", [], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "no set of golden"), ('{"schema": 9}', "schema 9"), ('{"schema": 1}', "no set of")],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "golden.json").write_text(content)
    with pytest.raises(UserError, match=said):
        Golden.read(tmp_path / "golden.json")
    with pytest.raises(UserError, match="is no set of golden"):
        Golden.read(tmp_path / "nothing.json")


def test_the_sentences_are_of_many_lengths_and_no_two_are_the_same() -> None:
    lengths = [len(text.split()) for text in TEXTS]
    assert len(set(TEXTS)) == len(TEXTS)
    assert min(lengths) == 1
    assert max(lengths) > 30
