"""A file that takes a text answers as the one that takes ids."""

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from pocketbert.errors import UserError
from students.exporting.deployment import deploy
from students.exporting.golden import Golden
from students.exporting.readme import add_text_files
from students.exporting.running import open_session
from students.exporting.with_tokenizer import check_possible, open_with_tokenizer, write_with_tokenizer
from teachers.loading import load_teacher
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces

pytest.importorskip("onnxruntime_extensions")
TEXTS = ("Good.", "A warm and funny film, naïve but charming!", "word " * 200)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The embedded teacher's tokenizer with a small model that reads 64 tokens of its vocabulary."""
    tokenizer = load_teacher("minilm", "classification", ("0", "1")).tokenizer
    config = family_config("bert")
    config.vocab_size = len(tokenizer)
    out = tmp_path_factory.mktemp("exported")
    deploy(random_model(config), tokenizer, out, TEXTS, ("fp32", "int8"), least_agreement=0.0)
    return out, tokenizer, Golden.read(out / "golden.json")


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_it_answers_as_the_file_that_takes_ids(exported, precision):
    out, tokenizer, golden = exported
    path, other = write_with_tokenizer(out / f"model-{precision}.onnx", tokenizer, golden)
    assert path == out / "with-tokenizer" / f"model-{precision}.onnx"
    assert "Vietnamese" in other and "Arabic" not in other
    session, plain = open_with_tokenizer(path), onnxruntime.InferenceSession(out / f"model-{precision}.onnx")
    assert [each.name for each in session.get_inputs()] == ["text"]
    assert session.get_modelmeta().custom_metadata_map["input"] == "text"
    for text in ("it's new — and “quoted”", "long " * 300):
        longest = int(plain.get_modelmeta().custom_metadata_map["max_length"])
        ids = tokenizer(text, truncation=True, max_length=longest, return_tensors="np")
        feed = {each.name: ids[each.name].astype(np.int64) for each in plain.get_inputs()}
        np.testing.assert_array_equal(session.run(None, {"text": [text]})[0], plain.run(None, feed)[0])


def test_two_texts_at_once_are_refused(exported):
    out, tokenizer, golden = exported
    session = open_with_tokenizer(write_with_tokenizer(out / "model-fp32.onnx", tokenizer, golden)[0])
    assert session.get_inputs()[0].shape == [1]
    with pytest.raises(InvalidArgument):
        session.run(None, {"text": ["Good.", "No."]})


def test_without_the_extensions_it_is_said_that_it_takes_a_text(exported):
    out, tokenizer, golden = exported
    path = write_with_tokenizer(out / "model-fp32.onnx", tokenizer, golden)[0]
    with pytest.raises(UserError, match=r"model-fp32\.onnx takes a text, and can't be run or measured here"):
        open_session(path)


def test_the_readme_has_the_lines_that_load_it(exported):
    out, tokenizer, golden = exported
    write_with_tokenizer(out / "model-int8.onnx", tokenizer, golden)
    add_text_files(out, golden, ["with-tokenizer/model-fp32.onnx", "with-tokenizer/model-int8.onnx"], ["Vietnamese"])
    page = (out / "README.md").read_text()
    assert 'InferenceSession("with-tokenizer/model-int8.onnx"' in page and ": Vietnamese." in page
    code = page.split("```python\n")[2].split("```")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("[["), done.stderr


def test_words_that_come_out_otherwise_are_refused(exported):
    out, tokenizer, golden = exported
    other = Golden(golden.task, golden.labels, ["Việt Nam"], golden.encodings[:1], golden.expected[:1])
    with pytest.raises(UserError, match=r"Việt Nam.* otherwise"):
        write_with_tokenizer(out / "model-fp32.onnx", tokenizer, other)


def test_pairs_are_refused(exported):
    golden = exported[2]
    with pytest.raises(UserError, match="pairs of texts"):
        check_possible(Golden(golden.task, golden.labels, [["a", "b"]], golden.encodings[:1], golden.expected[:1]))


def test_a_tokenizer_that_it_does_not_know_is_named(exported):
    out, _, golden = exported
    with pytest.raises(UserError, match="onnxruntime-extensions"):
        write_with_tokenizer(out / "model-fp32.onnx", wordpieces(["the", "film"]), golden)
