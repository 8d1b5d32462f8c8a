"""The benchmark of searches, on a tiny teacher."""

import csv
import shlex

import pytest

from benchmarks import search
from pocketbert import command
from tests.nas.test_search import search_arguments

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize(("minutes", "reached"), [(0.4, 0.0), (1.0, 2.0), (1.9, 2.0), (9.0, 3.0)])
def test_a_student_counts_from_the_minute_in_which_it_is_done(minutes, reached):
    assert search.reached_after(minutes, [(1.0, 2.0, 1), (2.0, 3.0, 2)]) == reached


def test_a_search_and_a_random_one_are_compared_after_the_same_minutes(files, tmp_path, monkeypatch, capfd):
    # A count of students, and steps enough for any to beat a constant answer, however slow the machine is.
    more = ("--objective", "quality", "--objective", "size", "--trials", "3", "--proxy-steps", "40")
    words = search_arguments(files, tmp_path / "unused", *more)
    for option in ("--out", "--minutes"):
        place = words.index(option)
        del words[place : place + 2]
    results = tmp_path / "search.csv"
    arguments = [results, "--out", tmp_path / "out", "--seeds", 1, "--minutes", 3, "--options", shlex.join(words)]
    monkeypatch.setattr("sys.argv", ["search", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        command.run(search.app, "search")
    said = capfd.readouterr()
    assert not stop.value.code, said.err
    (row,) = csv.DictReader(results.read_text().splitlines())
    assert float(row["minutes"]) == 3
    assert float(row["ratio"]) == pytest.approx(float(row["hypervolume"]) / float(row["random's"]), abs=2e-3)
    assert "median ratio" in said.out
    assert "<h3>Hypervolume</h3>" in (tmp_path / "out" / "gp-0" / "report.html").read_text()
