"""The benchmark of quick scores, on a tiny teacher."""

import csv

import pytest

from benchmarks import proxies
from pocketbert import command

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def test_students_are_scored_in_both_ways_and_distilled(files, tmp_path, monkeypatch, capsys):
    results = tmp_path / "proxies.csv"
    arguments = [
        results, "--teacher", files / "teacher", "--data", files / "labels", "--students", 3, "--out", tmp_path / "out",
        "--set", "training.max_steps=3", "--compared-with", "layers=1,hidden=8,heads=1,feed_forward=8",
        "--supernet-steps", 3, "--proxy-steps", 2,
    ]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["proxies", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        command.run(proxies.app, "proxies")
    assert not stop.value.code, capsys.readouterr().err
    rows = list(csv.DictReader(results.read_text().splitlines()))
    assert len({row["student"] for row in rows}) == 3
    for row in rows:
        assert 0 <= float(row["proxy"]) <= 1 and 0 <= float(row["supernet"]) <= 1 and 0 <= float(row["finished"]) <= 1
        assert row["command"].startswith("python -m distill.run")
    summary = list(csv.DictReader((tmp_path / "proxies-summary.csv").read_text().splitlines()))
    assert [row["score"] for row in summary] == ["proxy", "supernet"]
