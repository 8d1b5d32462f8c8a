import csv
import sys

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, BertConfig
from typer.testing import CliRunner

from benchmarks.throughput import caching, processes, profile
from benchmarks.throughput.__main__ import app
from benchmarks.throughput.driver import Driver, Visit
from benchmarks.throughput.engines import ENGINES, OURS, PEAK, Engine
from benchmarks.throughput.rows import PRODUCT, rows_of
from benchmarks.throughput.task import Work
from pocketbert.errors import UserError
from tests.students.exporting import random_model
from tests.students.wordpieces import wordpieces


@pytest.fixture
def files(tmp_path):
    teacher = tmp_path / "teacher"
    config = BertConfig(
        vocab_size=120, hidden_size=24, num_hidden_layers=6, num_attention_heads=12, intermediate_size=48, num_labels=2
    )
    random_model(config, AutoModelForSequenceClassification).save_pretrained(teacher)
    wordpieces(["good", "film"]).save_pretrained(teacher)
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join("good " * (1 + n % 5) + "film" for n in range(40)))
    return tmp_path


def _made(command, files, *options):
    """Call one of the benchmarks; return the rows that it writes."""
    arguments = ["--texts", str(files / "texts.txt"), "--results", str(files / "out.csv")]
    done = CliRunner().invoke(command, [*arguments, "--teacher", str(files / "teacher"), "--size", "4", *options])
    if done.exception:
        raise done.exception
    with (files / "out.csv").open() as stream:
        return list(csv.DictReader(stream))


def _run(files, *options):
    return _made(app, files, "--rounds", "2", *options)


@pytest.mark.slow
def test_engines_train_in_turn_on_the_same_work(files):
    rows = _run(files, "--threads", "1", "--only", "pocketbert", "--only", "bare", "--only", "Trainer")
    assert [row["engine"] for row in rows] == [each.name for each in ENGINES if "TextBrewer" not in each.name]
    assert float(rows[0]["ours is x times as fast"]) == 1
    for row in rows:
        assert float(row["texts a second"]) > 0 and row["rounds"] == "2" and row["threads"] == "1"
        assert str(files) not in row["command"]
    asked = {row["engine"]: int(row["MFLOP a text"]) for row in rows}
    assert asked["pocketbert, teacher asked"] >= asked["pocketbert, teacher kept"]


def test_bad_input_is_refused_before_anything_starts(files):
    with pytest.raises(UserError, match="unknown engine 'carthorse'"):
        _run(files, "--only", "carthorse")
    with pytest.raises(UserError, match="unknown student"):
        _run(files, "--only", "bare", "--student", "tinyy")
    with pytest.raises(UserError, match="less than a batch"):
        _run(files, "--only", "bare", "--size", "100")
    with pytest.raises(UserError, match="--threads 9999: this machine has"):
        _run(files, "--only", "bare", "--threads", "9999")


def test_rows_by_hand():
    work = Work(teacher=1e9, student=2e9, padding={"grouped": 0.02, "random": 0.6})
    visits = {
        PEAK.name: [Visit(1.0, 10), Visit(1.0, 10)],
        OURS.name: [Visit(1.0, 20), Visit(2.0, 60)],
        "other": [Visit(1.0, 10), Visit(2.0, 20)],
    }
    ours, other = rows_of([OURS, Engine("other", ("random", "batch"), "bare")], visits, work)
    assert ours["texts a second"] == "25" and ours["ours is x times as fast"] == "1.00"
    assert other["texts a second"] == "10" and other["ours is x times as fast"] == "2.50"
    assert (ours["padding %"], other["padding %"]) == ("2.0", "60.0")
    assert other["interval"] == "2.00 to 3.00"
    assert ours["share of the peak %"] == f"{100 * 25 * 2e9 / (10 * PRODUCT):.0f}"
    assert other["MFLOP a text"] == "3000"


def test_padding_and_arithmetic_of_the_work(bert):
    student, teacher = bert(seed=0), bert(seed=1)
    work = Work.of(teacher, student, np.array([2, 4, 4, 8]), {"sorted": [0, 1, 2, 3], "mixed": [0, 3, 1, 2]}, 2)
    assert work.padding == pytest.approx({"sorted": 1 - 18 / 24, "mixed": 1 - 18 / 24, "whole": 1 - 4.5 / 128})
    assert work.student > 3 * work.teacher


def test_an_engine_that_dies_says_why():
    with (
        Driver("engine", [sys.executable, "-c", "import sys; sys.exit('out of breath')"], 1) as driver,
        pytest.raises(UserError, match=r"engine: the process ended with exit code 1 \(out of breath\)"),
    ):
        driver.train(1)


@pytest.mark.slow
def test_what_keeping_states_costs_and_spares(files):
    (row,) = _made(caching.app, files, "--rounds", "1")
    parts = [float(row[name]) for name in ("epoch, teacher asked, s", "writing, s", "epoch, teacher kept, s")]
    assert all(part > 0 for part in parts[::2]) and 0 < float(row["reading, % of an epoch"]) < 100
    assert row["texts"] == "40" and row["kept as"] == "fp16"


@pytest.mark.slow
def test_what_a_second_process_adds(files):
    (row,) = _made(processes.app, files, "--rounds", "2", "--no-asked")
    assert row["engine"] == OURS.name
    one, both = float(row["texts a second, one"]), float(row["texts a second, all 2"])
    assert one > 0 and both > 0 and float(row["times as fast as one"]) > 0


def test_more_processes_than_cores_are_refused(files):
    with pytest.raises(UserError, match="2000 cores; here are"):
        _made(processes.app, files, "--count", "2000")


def test_the_parts_of_a_step_are_all_of_it(files):
    rows = _made(profile.app, files, "--steps", "4")
    shares = {row["part"]: float(row["share of a step %"]) for row in rows}
    assert sum(shares.values()) == pytest.approx(100, abs=0.5)
    assert shares[profile.READING] > 0 and shares["matrix products"] > 0


@pytest.mark.parametrize(
    ("operator", "part"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::native_layer_norm_backward", "norms, activations and their gradients"),
        ("aten::_fused_adamw_", "optimizer and clipping"),
        ("aten::copy_", "copies"),
        ("aten::gelu_backward", "norms, activations and their gradients"),
        ("MulBackward0", None),
    ],
)
def test_an_operator_has_one_part(operator, part):
    assert profile._part_of(operator) == part
