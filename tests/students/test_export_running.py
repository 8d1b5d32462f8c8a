import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from pocketbert.errors import UserError
from students.exporting import running
from students.exporting.files import export_fp32, export_int8
from students.exporting.running import run_onnx
from tests.students.exporting import family_config, random_model, texts, torch_logits


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_fp32(random_model(family_config("bert")), path)
    return path


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_order_does_not_depend_on_batches(model_path: Path, batch_size: int) -> None:
    encodings = texts((9, 2, 30, 1, 9, 17), types=True)
    expected = torch_logits(random_model(family_config("bert")), encodings)
    np.testing.assert_allclose(run_onnx(model_path, encodings, batch_size, threads=1), expected, atol=1e-5)


def test_missing_mask_and_types_mean_ones_and_zeros(model_path: Path) -> None:
    full = [{**text, "token_type_ids": [0] * len(text["input_ids"])} for text in texts((5, 8))]
    bare = [{"input_ids": text["input_ids"]} for text in full]
    np.testing.assert_array_equal(run_onnx(model_path, full, threads=1), run_onnx(model_path, bare, threads=1))


def test_padding_on_the_right_by_hand() -> None:
    encodings = [{"input_ids": [7, 8, 9]}, {"input_ids": [5], "token_type_ids": [1]}]
    np.testing.assert_array_equal(running.padded(encodings, "input_ids", pad_token=3), [[7, 8, 9], [5, 3, 3]])
    np.testing.assert_array_equal(running.padded(encodings, "attention_mask"), [[1, 1, 1], [1, 0, 0]])
    np.testing.assert_array_equal(running.padded(encodings, "token_type_ids"), [[0, 0, 0], [1, 0, 0]])


def test_an_input_that_nothing_provides_is_named() -> None:
    with pytest.raises(UserError, match="asks for the input 'pixels', and the texts have: input_ids"):
        running.padded([{"input_ids": [1]}], "pixels")


def test_bad_files_and_empty_lists_are_one_line(model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    cases = [(tmp_path / "none.onnx", texts((2,)), "no such file"), (model_path, [], "no text")]
    cases.append((tmp_path / "broken.onnx", texts((2,)), "not a model that onnxruntime can load"))
    for path, encodings, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            run_onnx(path, encodings)
        assert "\n" not in str(caught.value)


EXAMPLE = """
import onnxruntime, sys, tokenizers
text = tokenizers.Tokenizer.from_file("tokenizer.json").encode("a charming film")
feed = {"input_ids": [text.ids], "attention_mask": [text.attention_mask], "token_type_ids": [text.type_ids]}
print(onnxruntime.InferenceSession("model-int8.onnx").run(["logits"], feed)[0].tolist())
assert not {"torch", "transformers"} & set(sys.modules)
"""


def test_a_folder_runs_with_onnxruntime_and_tokenizers_alone(tmp_path: Path) -> None:
    words = {word: number for number, word in enumerate(("[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "charming", "film"))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    export_int8(random_model(family_config("bert")), tmp_path / "model-int8.onnx")
    done = subprocess.run([sys.executable, "-c", EXAMPLE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = run_onnx(tmp_path / "model-int8.onnx", [{"input_ids": [1, 4, 5, 6, 2]}], threads=1)
    np.testing.assert_allclose(np.array(eval(done.stdout)), expected, atol=1e-5)
