"""Chains compared on one run's student, at smoke size."""

import csv
import json
import shutil

import pytest

from benchmarks import compression
from pocketbert import command
from tests.distill.command import run_command
from tests.running import run_here

QUICK = ("--set", "training.max_steps=20", "--set", "training.learning_rate=3e-3", "--teacher-set", "max_steps=30")
CHAINS = ("prune:0.3:recover=none,int8", "qat:steps=3")
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    result = run_command(files, out, *QUICK)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


def benchmark(folder, results, *chains):
    words = [word for chain in chains for word in ("--chain", chain)]
    options = ("--length", "8", "--rounds", "2")
    main = lambda: command.run(compression.app, "python -m benchmarks.compression")  # noqa: E731  (no more than that)
    return run_here(compression, main, str(folder), *words, "--results", str(results), *options)


@pytest.mark.slow
def test_every_step_of_every_chain_is_a_row(trained, tmp_path):
    result = benchmark(trained, tmp_path / "out.csv", *CHAINS)
    assert result.returncode == 0, result.stdout + result.stderr
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    steps = [("0 before", 0), ("1 prune:0.3:recover=none", 0), ("2 int8", 0), ("0 before", 1), ("1 qat:steps=3", 1)]
    assert [(row["after"], CHAINS.index(row["chain"])) for row in rows] == steps
    before, pruned, rounded, *_ = rows
    assert float(before["of the start's bytes"]) == 1.0 > float(pruned["of the start's bytes"])
    assert float(rounded["MB"]) <= float(pruned["MB"])
    assert before["since the start"] == before["since the step before"] == "+0.00 [+0.00, +0.00]"
    assert before["accuracy"] == rows[3]["accuracy"], "both chains begin with the run's student"
    ratio = float(before["times as fast as the start at 8"].split(" [")[0])
    assert ratio == pytest.approx(1.0)
    assert all(float(row["ms at 8"]) > 0 and row["times as fast as the teacher at 8"] for row in rows)
    assert all(row["seed"] == "0" and "benchmarks.compression" in row["command"] for row in rows)
    with (tmp_path / "out-overview.csv").open() as stream:
        short = list(csv.DictReader(stream))
    assert [row["after"] for row in short] == ["0 before", "1 prune:0.3:recover=none", "2 int8", "1 qat:steps=3"]
    assert "command" not in short[0] and short[0]["chain"] == "" and short[3]["chain"] == CHAINS[1]
    record = json.loads((trained / "run.json").read_text())
    assert float(before["accuracy"]) == pytest.approx(100 * record["quality"]["student"]["value"], abs=0.01)


@pytest.mark.parametrize(
    ("chain", "message"),
    [("prun:0.5", "did you mean prune"), ("qat,trim", "put qat last"), ("prune:0.999", "can be removed")],
)
@pytest.mark.slow
def test_a_chain_that_cannot_be_is_refused_before_any_work(trained, tmp_path, chain, message):
    result = benchmark(trained, tmp_path / "out.csv", chain)
    assert result.returncode == 2 and message in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    result = benchmark(tmp_path, tmp_path / "out.csv", "int8")
    assert result.returncode == 2 and "holds no run" in result.stderr


@pytest.mark.slow
def test_a_runs_own_chain_is_none_of_the_students(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    document = json.loads((tmp_path / "run" / "config.json").read_text()) | {"compress": "trim"}
    (tmp_path / "run" / "config.json").write_text(json.dumps(document))
    result = benchmark(tmp_path / "run", tmp_path / "out.csv", "int8")
    assert result.returncode == 0, result.stdout + result.stderr
    with (tmp_path / "out.csv").open() as stream:
        assert [row["after"] for row in csv.DictReader(stream)] == ["0 before", "1 int8"]
