"""What a chain will cost: a part a training, by its name; nothing where it is done."""

from dataclasses import replace

import pytest

from distill import planning
from distill.compression.chain import FOLDER
from distill.compression.cost import disk, parts
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


def test_the_disk_holds_weights_and_a_file_of_the_start_and_of_each_step(classifier):
    run, bytes_ = classifier.run, 4 * sum(weight.numel() for weight in classifier.run.student.parameters())
    assert disk(run, ()) == 0
    chain = parse_chain("trim,prune:0.3,int8")
    assert disk(run, chain) == 4 * 2 * bytes_
    several = replace(run, config=run.config.model_copy(update={"seeds": 3, "control": True}))
    assert disk(several, chain) == 6 * disk(run, chain)
    plain, more = (planning.estimate(run, more_disk=size)[0].disk_bytes for size in (0, disk(run, chain)))
    assert more - plain == disk(run, chain)
