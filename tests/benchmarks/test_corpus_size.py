"""The benchmark of growing corpora, on a tiny teacher."""

import csv

import pytest

from benchmarks import corpus_size
from benchmarks.corpus_size import MEGABYTE, repeat
from pocketbert import command
from tests.distill.command import STUDENT


def _run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["corpus_size", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        command.run(corpus_size.app, "corpus_size")
    return stop.value.code or 0, capsys.readouterr().err.strip()


def test_whole_copies_until_there_is_enough(tmp_path):
    repeat(b"one\ntwo\n", tmp_path / "all.txt", 9)
    assert (tmp_path / "all.txt").read_text() == "one\ntwo\none\ntwo\n"


@pytest.mark.slow
def test_a_size_is_run_twice_and_measured(files, tmp_path, monkeypatch, capsys):
    options = f"--teacher {files}/teacher --student {STUDENT} --max-length 16 --set training.max_steps=2"
    arguments = [files / "corpus.txt", "--megabytes", 1, "--results", tmp_path / "size.csv", "--out", tmp_path / "out"]
    arguments += ["--options", f"{options} --teacher-set max_steps=2"]
    assert _run(monkeypatch, capsys, *arguments)[0] == 0
    (row,) = csv.DictReader((tmp_path / "size.csv").read_text().splitlines())
    size = (tmp_path / "out/1-megabytes/corpus.txt").stat().st_size
    assert MEGABYTE <= size < 1.1 * MEGABYTE
    assert int(row["tokens"]) == 16 * int(row["rows"]) > size / 20
    assert 100 < int(row["its own MiB"]) < int(row["first run MiB"]) < 4096
    code, message = _run(monkeypatch, capsys, *arguments)
    assert code == 2 and "is not empty" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--megabytes", "0"), "megabytes"),
        (("--options", "'a"), "a quotation mark is not closed"),
        (("--megabytes", "1"), "no text in it"),
        (("nothing.txt",), "nothing.txt"),
        ((".",), "is a directory"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, options, message):
    (tmp_path / "empty.txt").write_text("\n")
    results = ("--results", tmp_path / "a.csv", "--out", tmp_path / "out")
    code, said = _run(monkeypatch, capsys, tmp_path / "empty.txt", *results, *options)
    assert code == 2 and message in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()
