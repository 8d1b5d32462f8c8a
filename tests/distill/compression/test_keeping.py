"""A step's model on disk is the model that was kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from distill.compression.keeping import BEGUN, DONE, Kept, finished, keep
from distill.compression.state import State
from distill.evaluation import predict
from students.fake_quantization import attach, detach, ranges_of
from tests.distill.compression.conftest import same_weights

ANSWERS = np.arange(4, dtype=np.float32).reshape(2, 2)


def kept_of(state, folder):
    return Kept(state, folder / "model.onnx", ANSWERS, 2 * ANSWERS, {"name": "1 trim", "note": "ü"})


def test_all_of_a_state_comes_back(classifier, tmp_path):
    start = classifier.chain_start()
    bits = {"bert.encoder.layer.0": 4, "bert.encoder.layer.1": 8}
    state = replace(start, precision="int8-static", ranges={"bert.encoder.layer.0.output.dense": 1 / 3}, bits=bits)
    assert finished(classifier.run, start, tmp_path, ["trim"]) is None
    keep(kept_of(state, tmp_path), tmp_path)
    found = finished(classifier.run, start, tmp_path, ["trim"])
    assert same_weights(found.state.model, state.model) and not found.state.model.training
    assert (found.state.precision, found.state.ranges, found.state.bits) == (state.precision, state.ranges, bits)
    assert found.state.reading is start.reading, "its tokens are those of the run"
    assert np.array_equal(found.logits, ANSWERS) and np.array_equal(found.float_logits, 2 * ANSWERS)
    assert found.document == {"name": "1 trim", "note": "ü"}


def test_a_step_without_its_mark_is_not_finished(classifier, tmp_path):
    start = classifier.chain_start()
    assert finished(classifier.run, start, tmp_path, ["trim"]) is None
    keep(kept_of(start, tmp_path), tmp_path)
    (tmp_path / DONE).unlink()
    assert finished(classifier.run, start, tmp_path, ["trim"]) is None
    assert (tmp_path / "model").is_dir(), "what it has made is left"


def test_what_another_chain_has_left_is_removed(classifier, tmp_path):
    start = classifier.chain_start()
    assert finished(classifier.run, start, tmp_path, ["trim"]) is None
    keep(kept_of(start, tmp_path), tmp_path)
    assert finished(classifier.run, start, tmp_path, ["prune:0.5", "trim"]) is None
    assert [path.name for path in tmp_path.iterdir()] == [BEGUN]


def test_a_tokenizer_of_its_own_is_read_again(classifier, tmp_path):
    chain = classifier.chain("trim", tmp_path / "chain")
    before = State(classifier.run.student, classifier.run.reading)
    found = finished(classifier.run, before, tmp_path / "chain" / "01-trim", ["trim"]).state
    assert found.own_tokens and found.model.config.vocab_size == len(found.reading.tokenizer)
    for split in ("labelled", "evaluation"):
        ours, theirs = (getattr(each.reading.rows, split)["input_ids"][:] for each in (found, chain.state))
        assert ours == theirs
    rows = found.reading.rows.evaluation
    assert predict(found.model, rows, found.reading.collator) == pytest.approx(chain.logits, abs=1e-6)


def test_ranges_come_back_to_the_last_bit(classifier, tmp_path):
    start = classifier.chain_start()
    attach(start.model)
    start.model.train()
    rows = start.reading.rows.labelled.select_columns(["input_ids", "attention_mask"])
    start.model(**start.reading.collator([rows[0]]))
    ranges = ranges_of(start.model)
    detach(start.model)
    assert finished(classifier.run, start, tmp_path, ["qat"]) is None
    keep(kept_of(replace(start, ranges=ranges), tmp_path), tmp_path)
    assert finished(classifier.run, start, tmp_path, ["qat"]).state.ranges == ranges
    assert all(isinstance(most, float) and torch.isfinite(torch.tensor(most)) for most in ranges.values())
