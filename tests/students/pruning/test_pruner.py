import pytest
import torch
from transformers import AutoModelForTokenClassification

from pocketbert.errors import DoesNotFit, UserError
from students.anatomy import anatomy
from students.building import build_student
from students.factorised import factorise
from students.pruning.pruner import prune
from students.pruning.sizes import encoder_flops, encoder_parameters, sizes_of
from students.pruning.targets import parse_target
from students.spec import StudentSpec
from tests.students.models import classifier, config_of, language_model, logits
from tests.students.pruning.labelled import FAMILIES, labelled, padded


@pytest.mark.parametrize("family", FAMILIES)
def test_half_of_the_operations_go(family):
    model, texts = classifier(family), labelled(3)
    before, expected = sizes_of(model), logits(model, texts)
    pruned = prune(model, parse_target("0.5"), texts)
    assert 0.45 < encoder_flops(pruned.after) / encoder_flops(pruned.before) <= 0.5
    assert (pruned.before, pruned.after) == (before, sizes_of(pruned.model))
    assert sizes_of(model) == before
    assert torch.equal(logits(model, texts), expected)
    assert not pruned.model.training
    assert torch.isfinite(logits(pruned.model, texts)).all()


def test_ratios_of_every_dimension():
    pruned = prune(classifier("bert"), parse_target("heads=0.5:feed_forward=0.25:hidden=0.5:layers=0.5"), labelled(2))
    assert pruned.describe().startswith("4x32/4/64 -> 2x16/2/48 (layers ")
    assert len(pruned.layers) == 2


def test_the_line_that_describes():
    model = classifier("bert")
    line = prune(model, parse_target("0.5"), labelled(2)).describe()
    assert line.startswith("4x32/4/64 -> 4x32, heads ")
    assert "% of the encoder's FLOPs, " in line
    assert "% of its parameters" in line
    assert "\n" not in line


def test_padding_changes_nothing():
    model, texts = classifier("distilbert"), labelled(2)
    first, second = (prune(model, parse_target("0.5"), each) for each in (texts, padded(texts, 5)))
    assert first.after == second.after
    torch.testing.assert_close(logits(first.model, texts), logits(second.model, texts), atol=1e-3, rtol=1e-3)
    again = logits(first.model, padded(texts, 9))
    torch.testing.assert_close(again, logits(first.model, texts), atol=1e-5, rtol=0)


def test_a_latency_is_met_by_the_largest_model_that_does():
    """Where latency is the operations', the model found has nearly as many as it may."""
    model, texts = classifier("bert"), labelled(2)

    def latency(model):
        return encoder_flops(sizes_of(model)) / 1e6

    pruned = prune(model, parse_target("latency=0.4"), texts, latency=latency)
    left = encoder_flops(pruned.after) / encoder_flops(pruned.before)
    assert 0.55 < left <= 0.6
    assert pruned.seconds_after / pruned.seconds_before == pytest.approx(left)
    assert f"{100 * left:.0f} % of the latency" in pruned.describe()


def test_a_latency_of_layers_that_differ_is_met_by_fewer_of_them():
    """Whichever layer stays, also the largest, which the smallest model then has."""
    first = prune(classifier("bert"), parse_target("0.5"), labelled(2)).model
    target = parse_target("latency=0.5:dimensions=layers")
    pruned = prune(first, target, labelled(2), latency=lambda model: encoder_flops(sizes_of(model)) / 1e6)
    assert len(pruned.layers) < 4
    assert pruned.seconds_after <= 0.5 * pruned.seconds_before


def test_a_latency_that_cannot_be_met_says_what_can():
    model, texts = classifier("bert"), labelled(1)
    with pytest.raises(DoesNotFit, match=r"still takes 1\.00 of the time; give at most 0\.00"):
        prune(model, parse_target("latency=0.5"), texts, latency=lambda _: 2.0)
    with pytest.raises(UserError, match=r"needs a way to measure it: give flops=0\.5"):
        prune(model, parse_target("latency=0.5"), texts)


def test_rounds_end_where_one_round_does():
    model, texts = classifier("electra"), labelled(2)
    for text in ("0.6:rounds=3", "heads=0.5:feed_forward=0.5:layers=0.5:rounds=2", "parameters=0.5:rounds=2"):
        target, pruned, current = parse_target(text), None, model
        for step in target.steps():
            pruned = prune(current, step, texts, earlier=pruned)
            current = pruned.model
        once = prune(model, target.steps()[-1], texts)
        assert pruned.before == once.before
        cost = encoder_parameters if target.measure == "parameters" else encoder_flops
        assert cost(pruned.after) / cost(pruned.before) == pytest.approx(cost(once.after) / cost(once.before), abs=0.05)
        if target.ratios:
            assert pruned.after == once.after
            assert list(pruned.layers) == sorted(set(pruned.layers))
    with pytest.raises(UserError, match="goes step by step"):
        prune(model, parse_target("0.5:rounds=2"), texts)


def test_what_is_no_classifier_is_refused():
    texts = labelled(1)
    with pytest.raises(DoesNotFit, match="BertForMaskedLM can't be pruned"):
        prune(language_model("bert"), parse_target("0.5"), texts)
    tokens = AutoModelForTokenClassification.from_config(config_of("bert"))
    with pytest.raises(DoesNotFit, match="BertForTokenClassification can't be pruned"):
        prune(tokens, parse_target("0.5"), texts)
    with pytest.raises(UserError, match="pruning needs some of the task's text"):
        prune(classifier("bert"), parse_target("0.5"), [])


def test_layers_that_share_their_weights_are_refused():
    teacher = classifier("bert")
    shared = build_student(StudentSpec("x", layers=4, hidden=32, heads=4, feed_forward=64, sharing="2"), teacher)
    with pytest.raises(DoesNotFit, match="layers share weights"):
        prune(shared, parse_target("0.3"), labelled(1))


def test_a_model_whose_word_table_is_in_two_factors():
    model, texts = factorise(classifier("bert"), 8), labelled(3)
    pruned = prune(model, parse_target("heads=0.5:hidden=0.5"), texts)
    assert sizes_of(pruned.model).hidden == 16 and torch.isfinite(logits(pruned.model, texts)).all()
    assert pruned.model.get_input_embeddings().projection.out_features == 16
    assert prune(model, parse_target("0.3:importance=magnitude"), texts).after.hidden == 32


def test_a_target_out_of_reach_is_refused_before_anything_is_measured():
    """Without labels no importance could be measured."""
    texts = labelled(1)
    del texts[0]["labels"]
    with pytest.raises(DoesNotFit, match="can't be reached"):
        prune(classifier("bert"), parse_target("0.99"), texts)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_regression_is_pruned(family):
    model, texts = classifier(family, num_labels=1, problem_type="regression"), labelled(2)
    for batch in texts:
        batch["labels"] = batch["labels"].float()
    pruned = prune(model, parse_target("0.5"), texts)
    assert anatomy(pruned.model).head[-1].linear.out_features == 1
