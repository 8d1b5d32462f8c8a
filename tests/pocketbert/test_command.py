import errno
import os
from pathlib import Path

import pytest
import typer

from pocketbert import command
from pocketbert.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def measure(rounds: int = 1, files: int = 0) -> None:
    if rounds < 1:
        raise UserError("--rounds: take at least 1.")
    raise typer.Exit(files)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--rounds", "0"], "error: --rounds: take at least 1."),
        (["--round", "3"], "error: No such option: --round"),
        (["--rounds", "x"], "error: Invalid value for '--rounds'"),
        (["--rounds"], "error: Option '--rounds' requires an argument"),
        (["more"], "error: Got unexpected extra argument"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(monkeypatch, capsys, words, expected):
    monkeypatch.setattr("sys.argv", ["measure", *words])
    with pytest.raises(SystemExit) as ended:
        command.run(app, "python -m measure")
    lines = capsys.readouterr().err.strip().split("\n")
    assert ended.value.code == 2
    assert len(lines) == 1
    assert lines[0].startswith(expected)


@pytest.mark.parametrize(("kind", "code"), [(PermissionError, errno.EACCES), (OSError, errno.EROFS)])
def test_a_place_that_cannot_be_written_is_one_line_and_exit_code_2(monkeypatch, capsys, kind, code):
    other = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @other.command()
    def write():
        raise kind(code, os.strerror(code), "runs/x")

    monkeypatch.setattr("sys.argv", ["write"])
    with pytest.raises(SystemExit) as ended:
        command.run(other, "python -m write")
    (line,) = capsys.readouterr().err.strip().split("\n")
    assert ended.value.code == 2 and line.startswith(f"error: runs/x: {os.strerror(code)}. Nothing finished is lost")


def test_a_mistake_of_our_own_keeps_its_traceback(monkeypatch):
    other = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    other.command()(lambda: Path("nowhere/at/all").read_text())
    monkeypatch.setattr("sys.argv", ["read"])
    with pytest.raises(FileNotFoundError):
        command.run(other, "python -m read")


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_ends_with_the_code_it_asks_for(monkeypatch, code):
    monkeypatch.setattr("sys.argv", ["measure", "--files", str(code)])
    with pytest.raises(SystemExit) as ended:
        command.run(app, "python -m measure")
    assert ended.value.code == code


def test_what_is_given_as_one_text_is_split_as_a_shell_does():
    assert command.split("--options", "--out 'a b' --bf16") == ["--out", "a b", "--bf16"]
    with pytest.raises(UserError, match="--options 'a: a quotation mark is not closed"):
        command.split("--options", "'a")
