"""Chains on a small trained student, without the command around them."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoTokenizer

from distill.compression import chain as chains
from distill.compression.chain import carry_out, check_chain
from distill.compression.keeping import keep
from distill.compression.plan import parse_chain
from distill.evaluation import difference, predict
from distill.pipeline import answer
from distill.trainer import DistillTrainer
from pocketbert.errors import UserError
from students.factorised import whole_table
from students.pruning.sizes import encoder_flops, sizes_of
from tests.distill.compression.conftest import ready, same_weights, seconds_of

TEXT = "trim,factorise:8,prune:0.3,qat"


@pytest.fixture(scope="module")
def straight(classifier, tmp_path_factory):
    """The whole chain and its folder."""
    folder = tmp_path_factory.mktemp("chains") / "straight"
    told = []
    return classifier.chain(TEXT, folder, tell=told.append), folder, told


def test_every_step_is_measured_and_told(straight):
    chain, _, told = straight
    names = ["0 before", "1 trim", "2 factorise:8", "3 prune:0.3", "4 qat"]
    assert [kept.document["name"] for kept in chain.kept] == names == list(chain.files)
    assert [line.split(": ")[:2] for line in told] == [
        ["student, seed 0", text] for text in ("trim", "factorise:8", "prune:0.3", "qat")
    ]
    assert chain.refused is None
    assert json.loads(json.dumps(chain.document())) == chain.document(), "what run.json holds"


def test_every_step_makes_the_model_smaller(straight):
    chain = straight[0]
    parameters = [kept.document["parameters"] for kept in chain.kept]
    assert parameters[0] > parameters[1] > parameters[2] > parameters[3] == parameters[4]
    for kept in chain.kept:
        assert kept.document["bytes"] == kept.file.stat().st_size
    float32 = [kept.document["bytes"] for kept in chain.kept[:-1]]
    assert float32 == sorted(float32, reverse=True) and len(set(float32)) == 4
    flops = [encoder_flops(sizes_of(kept.state.model)) for kept in chain.kept]
    assert flops[0] == flops[2] and flops[3] <= 0.7 * flops[0]


def test_what_is_told_of_a_step_is_what_its_file_answers(classifier, straight):
    """In onnxruntime alone, a text at a time; the metric and its changes by hand."""
    run, (chain, _, _) = classifier.run, straight
    for kept in chain.kept:
        session = onnxruntime.InferenceSession(kept.file)
        rows = kept.state.reading.rows.evaluation
        inputs = [item.name for item in session.get_inputs()]
        said = np.concatenate([session.run(None, {name: np.array([row[name]]) for name in inputs})[0] for row in rows])
        assert said == pytest.approx(kept.logits, abs=1e-4), kept.document["name"]
        right = said.argmax(-1) == run.labels
        assert kept.document["quality"]["value"] == pytest.approx(right.mean())
        start = chain.kept[0].logits.argmax(-1) == run.labels
        assert kept.document["minus_start"]["difference"] == pytest.approx(right.mean() - start.mean())
    last, before = chain.kept[-1], chain.kept[-2]
    change = difference(run.task, run.labels, last.logits, before.logits)
    assert last.document["minus_before"]["difference"] == change.difference


def test_the_first_model_is_the_trained_one_and_the_given_ones_stay(classifier, straight):
    chain = straight[0]
    assert chain.kept[0].document["minus_start"] == {"difference": 0.0, "low": 0.0, "high": 0.0}
    assert np.array_equal(chain.kept[0].logits, classifier.trained.evaluation_logits)
    assert same_weights(chain.kept[0].state.model, classifier.chain_start().model), "steps work on copies"


def test_trimming_changes_no_answer_to_text_in_kept_pieces(straight):
    before, trimmed = straight[0].kept[:2]
    assert trimmed.logits == pytest.approx(before.logits, abs=1e-6)
    pieces = len(trimmed.state.reading.tokenizer)
    assert pieces == trimmed.state.model.config.vocab_size < before.state.model.config.vocab_size


def test_the_tokenizer_that_is_kept_reads_as_the_embeddings_do(classifier, straight):
    kept = straight[0].kept[-1]
    tokenizer = AutoTokenizer.from_pretrained(straight[1] / "04-qat" / "model")
    texts = classifier.run.data.evaluation["text"][:]
    assert tokenizer(texts)["input_ids"] == kept.state.reading.rows.evaluation["input_ids"][:]
    assert max(tokenizer.get_vocab().values()) + 1 == len(kept.state.model.get_input_embeddings().weight)


def test_a_factorised_table_still_stands_for_much_of_the_whole_one(classifier, tmp_path):
    chain = classifier.chain("factorise:12:recover=none", tmp_path / "chain")
    tables = [whole_table(kept.state.model.get_input_embeddings()).detach() for kept in chain.kept]
    used = torch.tensor([ids for row in classifier.run.rows.labelled["input_ids"][:] for ids in row]).unique()
    error = ((tables[1] - tables[0])[used].norm() / tables[0][used].norm()).item()
    assert 0 < error < 0.5


def again(classifier, straight, folder, monkeypatch, stop):
    """Run the chain until `stop` raises, and then to its end; return what it says then."""
    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        stop(patch)
        classifier.chain(TEXT, folder)
    told = []
    chain = classifier.chain(TEXT, folder, tell=told.append)
    assert chain.document() == straight[0].document()
    assert told == straight[2]
    for ours, theirs in zip(chain.kept, straight[0].kept, strict=True):
        assert same_weights(ours.state.model, theirs.state.model), ours.document["name"]
        assert ours.file.read_bytes() == theirs.file.read_bytes(), ours.document["name"]
        assert np.array_equal(ours.float_logits, theirs.float_logits)
    assert chain.state.ranges == straight[0].state.ranges
    return chain


@pytest.mark.parametrize("training", [0, 2])
def test_a_kill_inside_a_training_changes_nothing(classifier, straight, tmp_path, monkeypatch, training):
    """In the recovery of factorise, and in the quantisation-aware training, whose ranges go on from the checkpoint."""
    real, trainers = DistillTrainer.training_step, []

    def dying(self, *arguments, **options):
        if self not in trainers:
            trainers.append(self)
        if len(trainers) == training + 1 and self.state.global_step == 17:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    folder = tmp_path / "chain"
    dies = lambda patch: patch.setattr(DistillTrainer, "training_step", dying)  # noqa: E731  (no more than that)
    again(classifier, straight, folder, monkeypatch, dies)
    place = folder / ("02-factorise" if training == 0 else "04-qat") / "training"
    assert json.loads((place / "01-recovery" / "stage.json").read_text())["resumed"]


def test_a_kill_before_a_step_is_marked_as_done_changes_nothing(classifier, straight, tmp_path, monkeypatch):
    """In the pruning, whose training is done."""
    real, kept = chains.keep, []

    def dying(each, folder):
        kept.append(each)
        if len(kept) == 4:
            raise KeyboardInterrupt
        real(each, folder)

    again(classifier, straight, tmp_path / "chain", monkeypatch, lambda patch: patch.setattr(chains, "keep", dying))


def test_finished_steps_are_not_run_again(classifier, straight, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("ran again")

    monkeypatch.setattr(chains, "measure", never)
    monkeypatch.setattr(DistillTrainer, "training_step", never)
    chain = classifier.chain(TEXT, straight[1])
    assert chain.document() == straight[0].document()
    said = answer(classifier.run, chain.state.model, chain.state.reading)
    assert said == pytest.approx(chain.kept[-1].float_logits, abs=1e-6)


def test_a_ruinous_step_ends_the_chain_before_it(classifier, tmp_path):
    told = []
    text = "trim,prune:0.3:rate=1:steps=3,qat"
    chain = classifier.chain(text, tmp_path / "chain", most_loss=0.0, tell=told.append)
    assert list(chain.files) == ["0 before", "1 trim"]
    assert same_weights(chain.state.model, chain.kept[1].state.model)
    refused = chain.document()["refused"]
    assert refused["name"] == "2 prune:0.3:rate=1:steps=3"
    assert refused["minus_start"]["high"] < 0
    for said in (
        "over --max-loss 0. Most to blame, of what single layers (from 0) change: layer ",
        "Prune less, in rounds (rounds=3)",
    ):
        assert said in refused["line"]
    assert told[-1].startswith("refused, and the chain ends before it (qat not done). Most to blame")
    assert refused["left"] == ["qat"]
    assert not (tmp_path / "chain" / "03-qat").exists()


def test_a_limit_that_is_lifted_lets_the_chain_go_on(classifier, tmp_path):
    text = "prune:0.3:rate=1:steps=3,int8"
    first = classifier.chain(text, tmp_path / "chain", most_loss=0.0)
    second = classifier.chain(text, tmp_path / "chain", most_loss=1.0)
    assert first.refused is not None and second.refused is None
    assert second.kept[1].document == {
        key: value for key, value in first.refused.items() if key not in {"line", "left"}
    }


def test_rounds_and_latency_and_depth(classifier, tmp_path):
    rounds = classifier.chain("prune:0.4:rounds=2:steps=10", tmp_path / "rounds")
    assert encoder_flops(sizes_of(rounds.state.model)) <= 0.6 * encoder_flops(sizes_of(rounds.kept[0].state.model))
    trainings = sorted(path.parent.name for path in (tmp_path / "rounds").rglob("01-recovery"))
    assert trainings == ["round-1", "round-2"]
    steps = [json.loads(path.read_text())["steps"] for path in (tmp_path / "rounds").rglob("stage.json")]
    assert steps == [5, 5], "the rounds share them"
    fast = classifier.chain("prune:latency=0.3:recover=none", tmp_path / "latency")
    assert "of the latency" in fast.kept[1].document["note"]
    shallow = classifier.chain("prune:layers=0.5:steps=5", tmp_path / "layers")
    assert shallow.state.model.config.num_hidden_layers == 1


@pytest.mark.parametrize("precision", ["int8", "int8-full", "int8-static", "int8-tables4", "int4", "mixed"])
def test_a_precision_leaves_the_model_and_makes_the_file_smaller(classifier, tmp_path, precision):
    chain = classifier.chain(precision, tmp_path / "chain")
    before, after = chain.kept
    assert same_weights(before.state.model, after.state.model)
    assert after.document["bytes"] < before.document["bytes"]
    assert not np.array_equal(after.logits, before.logits), "what is told is what the file says"
    assert np.array_equal(after.float_logits, before.float_logits)
    assert set(after.state.bits.values()) == ({4, 8} if precision == "mixed" else set())


@pytest.mark.slow
@pytest.mark.parametrize("family", ["roberta", "electra", "distilbert"])
def test_every_family_goes_through_a_chain(classifier, files, tmp_path, family):
    small = f"layers=2,hidden=16,heads=2,feed_forward=32,family={family}"
    small += ",embedding=8" if family == "electra" else ""
    run = ready(files, tmp_path / "run", teachers=(str(classifier.run.folder / "teacher"),), student=small)
    text = "trim,factorise:4:steps=3,prune:hidden=0.5:steps=3,prune:0.1:recover=none,qat:steps=3"
    chain = run.chain(text, tmp_path / "chain")
    assert chain.state.model.config.model_type == family and chain.state.model.config.vocab_size < 160
    assert sizes_of(chain.state.model).hidden == 8
    again = run.chain(text, tmp_path / "chain")
    assert same_weights(again.state.model, chain.state.model), "read from its folder"
    rows = again.state.reading.rows.evaluation
    assert predict(again.state.model, rows, again.state.reading.collator) == pytest.approx(
        chain.kept[-1].float_logits, abs=1e-6
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trim:5", "compression step 'trim:5': "),
        ("trim:many", "write trim, or trim:8000"),
        ("trim:100000", "compression step 'trim:100000': "),
        ("factorise", "say how wide"),
        ("factorise:16", "the word table is 16 wide, so give less"),
        ("prune", "say how much goes"),
        ("prune:1.5", "must be a number between 0 and 1"),
        ("prune:0.99", "can be removed"),
        ("prune:heads=0.9", "leaves nothing of 2: give at most 0.5"),
        ("prune:layers=0.01", "removes nothing of 2: give at least 0.5"),
        ("prune:0.4,prune:0.4", "after the pruning before it"),
        ("prune:layers=0.5,trim,prune:layers=0.5", "of 1 nothing may go, so leave layers out"),
        ("prune:hidden=0.5:heads=0.5,prune:heads=0.5", "step 'prune:heads=0.5': pruning heads=0.5 can't be done"),
        ("prune:hidden=0.5,factorise:8", "after the pruning before it the model is only 8 wide"),
        ("factorise:8,prune:hidden=0.5", "'factorise:8': after the pruning after it the model is only 8 wide"),
        ("factorise:8,trim,prune:hidden=0.5,int8", "after the pruning after it the model is only 8 wide"),
        ("int8:7", "int8 has no settings"),
        ("mixed:9", "for a mean of 5 bits"),
        ("mixed:size=0", "for a file of 9.5 MB"),
        ("mixed:loss=nan", "for answers that move by 0.01"),
        ("mixed:size=", "for a file of 9.5 MB"),
        ("mixed:bits=5", "for a mean of 5 bits"),
        ("qat:8", "such as qat:steps=600"),
    ],
)
def test_what_the_student_cannot_have_is_told_before_anything_long(classifier, text, message):
    with pytest.raises(UserError) as raised:
        check_chain(classifier.run, parse_chain(text))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["prune:heads=0.5,prune:0.1,factorise:8", "factorise:7,prune:hidden=0.5"])
def test_what_can_be_done_in_this_order_is_let_through(classifier, text):
    check_chain(classifier.run, parse_chain(text))


def test_a_refusal_on_the_way_names_its_step(classifier, tmp_path):
    text = "prune:latency=0.999:recover=none"
    with pytest.raises(UserError) as raised:
        classifier.chain(text, tmp_path / "chain")
    assert str(raised.value).startswith(f"compression step '{text}': pruning latency=0.999 can't be reached")


def test_a_target_of_latency_goes_on_with_the_sizes_that_it_has_chosen(classifier, tmp_path, monkeypatch):
    def carried(drift):
        calls = itertools.count()

        def latency(model):
            return seconds_of(model) + drift * next(calls)

        steps = parse_chain("prune:latency=0.3:steps=3")
        return carry_out(classifier.run, steps, classifier.trained, "student", latency, 1.0, lambda _: None, tmp_path)

    def killed(kept, folder):
        if not folder.name.startswith("01"):
            return keep(kept, folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(chains, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            carried(drift=0.0)
    sizes = sizes_of(carried(drift=-0.3).state.model)  # as if the machine were faster now
    shutil.rmtree(tmp_path)
    assert sizes == sizes_of(carried(drift=0.0).state.model)
    shutil.rmtree(tmp_path)
    assert sizes != sizes_of(carried(drift=-0.3).state.model), "or else the drift would show nothing"


def test_the_nearest_second_target_can_be_reached(classifier, tmp_path):
    with pytest.raises(UserError) as raised:
        check_chain(classifier.run, parse_chain("prune:0.4,prune:0.4"))
    nearest = float(str(raised.value).partition("at most ")[2].partition(",")[0])
    text = f"prune:0.4:recover=none,prune:{nearest}:recover=none"
    check_chain(classifier.run, parse_chain(text))
    with pytest.raises(UserError, match="after the pruning"):
        check_chain(classifier.run, parse_chain(f"prune:0.4,prune:{nearest + 0.002}"))


def test_few_texts_give_no_ranges(classifier):
    rows = classifier.run.rows
    few = replace(classifier.run.reading, rows=replace(rows, labelled=rows.labelled.select(range(31))))
    run = replace(classifier.run, reading=few)
    with pytest.raises(UserError, match="31 labelled texts are too few to take ranges from: give at least 32"):
        check_chain(run, parse_chain("int8-static"))
    check_chain(run, parse_chain("int8"))
