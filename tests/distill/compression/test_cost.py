"""What a chain will cost: a part a training, by its name; nothing where it is done."""

from dataclasses import replace

import pytest

from distill import planning
from distill.compression.chain import FOLDER
from distill.compression.cost import parts
from distill.compression.plan import parse_chain

TEXT = "trim,factorise:8:steps=6,prune:0.3:steps=8:rounds=2,prune:0.1:recover=none,qat:recover=labels:steps=4,"


@pytest.fixture
def chain():
    return parse_chain(TEXT.rstrip(","))


def test_every_training_of_the_chain_is_a_part(classifier, chain):
    found = parts(classifier.run, chain)
    names = ["factorise:8:steps=6", "prune:0.3:steps=8:rounds=2", "qat:recover=labels:steps=4"]
    assert list(found) == [f"compression, {name}" for name in names]
    assert all(work.seconds > 0 and work.activation_bytes > 0 for work in found.values())


def test_what_is_done_costs_nothing(classifier, chain, tmp_path):
    run = replace(classifier.run, folder=tmp_path)
    classifier.chain("trim,factorise:8:steps=6,prune:0.3:steps=8:rounds=2", tmp_path / "seed-0" / FOLDER)
    left = {name: work.seconds for name, work in parts(run, chain).items()}
    assert [seconds > 0 for seconds in left.values()] == [False, False, True]


def test_the_estimate_names_the_chains_trainings(classifier, chain):
    _, told = planning.estimate(classifier.run, lambda: parts(classifier.run, chain))
    assert "compression, prune:0.3:steps=8:rounds=2: about" in told
    assert told.startswith("student, 1 seed(s): about 0 s")
