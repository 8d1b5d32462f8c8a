"""The step `mixed`: each of its bounds, on a small trained student."""

import re

import pytest

from distill.compression.steps.mixed import fitting, within
from distill.evaluation import distance, predict
from pocketbert.errors import UserError
from students.rounded import with_rounded_weights
from students.sensitivity import HIGH, LOW

COSTS = {"a": 3.0, "b": 1.0, "c": 2.0}


def _moved(bits):
    return 0.5 + sum(COSTS[name] for name, each in bits.items() if each == LOW)


@pytest.mark.parametrize(
    ("most", "low", "reached"), [(0.5, "", 0.5), (1.6, "b", 1.5), (4.0, "bc", 3.5), (4.6, "ab", 4.5), (9, "abc", 6.5)]
)
def test_layers_have_few_bits_in_their_order_as_long_as_the_answers_stay(most, low, reached):
    order = ["b", "a", "c"] if most == 4.6 else ["b", "c", "a"]
    bits, moved = within(order, most, _moved)
    assert {name for name, each in bits.items() if each == LOW} == set(low)
    assert moved == reached


def test_a_layer_that_costs_too_much_does_not_bar_the_next():
    assert within(["a", "b", "c"], 1.6, _moved)[0] == {"a": HIGH, "b": LOW, "c": HIGH}


def test_answers_that_move_too_far_with_eight_bits_are_refused():
    with pytest.raises(UserError, match=r"8 bits everywhere the answers are 0.5 away already: give more"):
        within(["a"], 0.4, _moved)


@pytest.mark.parametrize(("most", "low"), [(99, ""), (30, ""), (29, "b"), (20, "b"), (19, "bc"), (0, "bca")])
def test_as_few_layers_have_few_bits_as_the_size_needs(most, low):
    bits = fitting(["b", "c", "a"], most, lambda bits: 10 * sum(each == HIGH for each in bits.values()))
    assert {name for name, each in bits.items() if each == LOW} == set(low)


def test_the_file_has_the_size_that_was_asked_for(classifier, tmp_path):
    sizes = {}
    for text in ("mixed:8", "mixed:4"):
        sizes[text] = classifier.chain(text, tmp_path / text[-1]).kept[1].document["bytes"]
    between = sum(sizes.values()) / 2
    chain = classifier.chain(f"mixed:size={between / 1e6}", tmp_path / "size")
    assert sizes["mixed:4"] < chain.kept[1].document["bytes"] <= between < sizes["mixed:8"]
    assert set(chain.state.bits.values()) == {LOW, HIGH}
    assert not list((tmp_path / "size").rglob("trial.onnx"))


def test_a_size_that_cannot_be_is_told_with_the_least_that_can(classifier, tmp_path):
    with pytest.raises(UserError) as raised:
        classifier.chain("mixed:size=0.001", tmp_path / "chain")
    said = re.fullmatch(
        r"compression step 'mixed:size=0.001': with 4 bits everywhere the file still has ([0-9.]+) MB: give more",
        str(raised.value),
    )
    assert said and float(said[1]) > 0.001


def test_the_answers_move_by_no_more_than_was_asked_for(classifier, tmp_path):
    before = classifier.chain("int8", tmp_path / "before").kept[0].state
    rows, collator = before.reading.rows.labelled, before.reading.collator
    plain = predict(before.model, rows, collator)

    def moved(bits):
        rounded = with_rounded_weights(before.model, "mixed", bits)
        return distance(classifier.run.task, plain, predict(rounded, rows, collator))

    from_high = classifier.chain("mixed:8", tmp_path / "8").state.bits
    for number, (name, own) in enumerate({name: {**from_high, name: LOW} for name in from_high}.items()):
        most = moved(own) * 1.0001
        bits = classifier.chain(f"mixed:loss={most}", tmp_path / str(number)).state.bits
        assert moved(bits) <= most and LOW in bits.values(), name
    all_low = dict.fromkeys(from_high, LOW)
    kept = classifier.chain(f"mixed:loss={2 * moved(all_low)}", tmp_path / "low").kept[1]
    assert kept.state.bits == all_low
    assert f"the answers are {moved(all_low):.3g} away from what they were" in kept.document["note"]
