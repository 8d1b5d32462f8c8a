"""The command that fits a latency model, on a tiny teacher."""

import json

import pytest

from benchmarks import latency as measuring
from nas import latency
from nas.latency_model import LatencyModel
from pocketbert import command

pytestmark = pytest.mark.filterwarnings("default")


def _run(app, monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["command", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        command.run(app, "command")
    said = capsys.readouterr()
    return stop.value.code or 0, said.out, said.err


def _fit(files, monkeypatch, capsys, *words):
    usual = ("--teacher", files / "teacher", "--students", 12, "--unseen", 4, "--length", 8, "--rounds", 2)
    return _run(latency.app, monkeypatch, capsys, *usual, *words)


def test_a_model_is_fitted_to_students_measured_here(files, tmp_path, monkeypatch, capsys):
    code, out, errors = _fit(files, monkeypatch, capsys, "--out", tmp_path / "here.json", "--name", "this desk")
    assert code == 0, errors
    model = LatencyModel.load(tmp_path / "here.json")
    assert (model.device, model.length, len(model.timings), model.errors.students) == ("this desk", 8, 12, 4)
    assert "unseen students: median" in out
    assert [file.name for file in tmp_path.iterdir()] == ["here.json"]


def test_files_can_be_measured_elsewhere(files, tmp_path, monkeypatch, capsys):
    folder, measured, out = tmp_path / "files", tmp_path / "measured.json", tmp_path / "phone.json"
    code, said, errors = _fit(files, monkeypatch, capsys, "--files", folder)
    assert code == 0, errors
    assert len(list(folder.glob("*.onnx"))) == 16
    assert "--measured measured.json" in said
    assert not out.exists()
    words = [*sorted(folder.glob("*.onnx")), "--length", 8, "--rounds", 2, "--json", measured]
    assert _run(measuring.app, monkeypatch, capsys, *words)[0] == 0
    code, _, errors = _fit(files, monkeypatch, capsys, "--files", folder, "--measured", measured, "--out", out)
    assert code == 0, errors
    students = json.loads((folder / "students.json").read_text())
    assert {timing.student for timing in LatencyModel.load(out).timings} <= set(students.values())
    document = json.loads(measured.read_text())
    for number, row in enumerate(document["rows"]):  # as on a device that did something else every other time
        row["p50_ms"] *= 1 if number % 2 else 9
    measured.write_text(json.dumps(document))
    _, said, _ = _fit(files, monkeypatch, capsys, "--files", folder, "--measured", measured, "--out", out)
    assert "warning: a search should not go by that" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--students", "3"], "3 students of the family bert are too few"),
        (("--measured", "FILE"), "say with --files"),
        (("--measured", "none.json", "--files", "FOLDER"), "none.json"),
        (("--measured", "FILE", "--files", "FOLDER"), "can't be read"),
        (("--students", 100_000), "the space has"),
        (("--space", "layer=2"), "did you mean layers"),
        (("--students", 0), "students"),
        (("--teacher", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_one_line(files, tmp_path, monkeypatch, capsys, words, said):
    (tmp_path / "file.json").write_text('{"rows": [], "environment": {}}')
    words = [tmp_path / "file.json" if word == "FILE" else tmp_path if word == "FOLDER" else word for word in words]
    code, _, errors = _fit(files, monkeypatch, capsys, *words)
    assert code == 2
    assert said in errors
    assert len(errors.strip().splitlines()) == 1, errors
