"""`python -m benchmarks.corpus_size TEXTS…`: what a run on a corpus takes as the corpus grows: time, disk and memory.

Whole copies of the given files are put one after another until there are so many megabytes of text. Each size is
distilled on twice: the first run does everything, the second finds the corpus tokenised and the teacher's head and the
student's start made. Memory is the highest resident size of the whole process, pages of mapped files included, as the
kernel counts it.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_csv
from pocketbert.machine import processor

MEGABYTE = 1_000_000
LOOK_EVERY = 0.2
"""Seconds between two looks at a run's memory."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def corpus_size(
    texts: Annotated[list[Path], typer.Argument(help="Text files, a text a line.", exists=True, dir_okay=False)],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    megabytes: Annotated[list[int] | None, typer.Option(min=1, help="Sizes of the corpus, one option each.")] = None,
    out: Annotated[Path, typer.Option(help="New folder of texts, caches and runs.")] = Path("runs/corpus-size"),
    options: Annotated[
        str, typer.Option(help="More options for every run, as one text.")
    ] = "--recipe tinybert-general --teacher-set max_steps=20 --set training.max_steps=20 --set training.batch_size=8",
) -> None:
    """Run every size and write a row for each."""
    if out.exists() and any(out.iterdir()):
        raise UserError(f"--out {out} is not empty, and finished work is not measured again: take a new folder.")
    more = command.split("--options", options)
    content = b"".join(text.read_bytes().rstrip() + b"\n" for text in texts)
    if not content.strip():
        raise UserError(f"{', '.join(map(str, texts))}: there is no text in it.")
    rows = [_row(content, size, out, more) for size in sorted(set(megabytes or [10, 100, 1000]))]
    write_csv(results, rows)


def _row(content: bytes, size: int, out: Path, options: Sequence[str]) -> dict[str, Any]:
    folder = out / f"{size}-megabytes"
    corpus = folder / "corpus.txt"
    folder.mkdir(parents=True, exist_ok=True)
    repeat(content, corpus, size * MEGABYTE)
    arguments = ["-m", "distill.run", "--data", f"corpus:{corpus}", *options, "--out"]
    first, second = (_measured([*arguments, str(folder / run)], folder) for run in ("first", "second"))
    record = read_json(folder / "second" / "run.json")
    data, environment = record["data"], record["environment"]
    cache = sum(file.stat().st_size for file in folder.rglob("*.arrow"))
    row = {
        "text MB": size,
        "rows": data["rows"]["train"],
        "tokens": data["tokens"],
        "on disk MB": round(cache / MEGABYTE),
        "first run s": round(first[0]),
        "second run s": round(second[0]),
        "first run MiB": round(first[1]),
        "second run MiB": round(second[1]),
        "its own MiB": round(max(first[2], second[2])),
        "processor": processor(),
        "threads": environment["threads"],
        "torch": environment["torch"],
        "commit": environment["commit"],
        "options": shlex.join(options),
    }
    typer.echo("; ".join(f"{name}: {value}" for name, value in row.items()))
    return row


def repeat(content: bytes, target: Path, size: int) -> None:
    """Write whole copies of some text, one after another, until a file has at least so many bytes."""
    with target.open("wb") as stream:
        for _ in range(-(-size // len(content))):
            stream.write(content)


def _measured(arguments: Sequence[str], cache: Path) -> tuple[float, float, float]:
    """Run python; return seconds, the highest resident size in MiB, and the highest without pages of files.

    Pages of files, such as the corpus's, count as resident and are given back when others need the memory.
    """
    begin = time.perf_counter()
    environment = os.environ | {"XDG_CACHE_HOME": str(cache.absolute() / "cache")}
    process = subprocess.Popen([sys.executable, *arguments], env=environment)  # noqa: S603  (a list, no shell)
    own = 0.0
    while (waited := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        own = max(own, _anonymous(process.pid))
        time.sleep(LOOK_EVERY)
    _, status, usage = waited
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"python {shlex.join(arguments)} failed with exit code {process.returncode}, as said above.")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, own


def _anonymous(process: int) -> float:
    """Return the resident memory of a process that is no file's, in MiB; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]  # or it is caught
    except (OSError, TypeError):  # it has just ended
        return 0.0


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.corpus_size")
