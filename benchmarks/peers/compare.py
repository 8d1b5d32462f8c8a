"""`python -m benchmarks.peers.compare`: every version of every model against ours, in one interleaved run a model."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.device import refuse_emulation
from benchmarks.measuring import LENGTHS
from benchmarks.peers.candidates import PEERS, Candidate, chosen
from benchmarks.peers.environments import python_of
from benchmarks.peers.folders import OPENVINO_ENVIRONMENT, need_models
from benchmarks.peers.rows import Row, overview, summary, table
from benchmarks.peers.running import Settings, run_model
from benchmarks.sentences import read_sentences
from pocketbert import command
from pocketbert.errors import UserError, unknown
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor
from students.exporting.golden import TEXTS

WIDTH = 200
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def compare(
    models: Annotated[Path, typer.Option(help="The folder that benchmarks.peers.models wrote.")] = Path("runs/peers"),
    *,
    csv: Annotated[Path, typer.Option(help="CSV file to write.")],
    texts: Annotated[
        Path | None, typer.Option(help="Real sentences for the errors: a text a line, or a .tsv. Default: golden ones.")
    ] = None,
    length: Annotated[list[int] | None, typer.Option(min=2, help="Tokens a text; may be repeated.")] = None,
    openings: Annotated[int, typer.Option(min=1, help="How often each version's process is begun anew.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="How often each version is visited in each of them.")] = 8,
    samples: Annotated[int, typer.Option(min=1, help="Samples a visit; one more does not count.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads within an operator.")] = 1,
    only: Annotated[list[str] | None, typer.Option(help="Only this model; may be repeated.")] = None,
    without: Annotated[list[str] | None, typer.Option(help=f"Leave out: {', '.join(PEERS)}.")] = None,
    openvino_env: Annotated[
        Path | None, typer.Option(help=f"OpenVINO's environment. Default: {OPENVINO_ENVIRONMENT} inside --models.")
    ] = None,
) -> None:
    """Time all versions in turn, check their answers to real sentences, and write a row for each and each length."""
    folders, candidates = _chosen_folders(models, only or ()), chosen(without or ())
    python = python_of(openvino_env or models / OPENVINO_ENVIRONMENT)
    _check(csv, folders, candidates, python)
    sentences = list(TEXTS) if texts is None else read_sentences(texts)
    refuse_emulation()
    lengths = list(dict.fromkeys(length or LENGTHS))
    settings = Settings(lengths, openings, rounds, samples, threads, {"openvino": python, "": Path(sys.executable)})
    told: dict[str, Sequence[object]] = {"csv": [csv.name], "texts": [texts.name] if texts else []}
    told |= {"length": lengths, "openings": [openings], "rounds": [rounds], "samples": [samples], "threads": [threads]}
    told |= {"only": only or (), "without": without or ()}
    options = [f"--{name}={value}" for name, values in told.items() for value in values]
    facts: Row = {"texts": len(sentences), "threads": threads, "processor": processor(), "commit": commit() or ""}
    facts["command"] = shlex.join(["python", "-m", "benchmarks.peers.compare", *options])
    terminal, out = Console(stderr=True), Console()
    out = out if out.is_terminal else Console(width=WIDTH)
    rows: list[Row] = []
    with Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        for folder in folders:
            found = run_model(folder, candidates, sentences, settings, bar)
            rows += [row | facts for row in found]
            write_csv(csv, rows)
            write_csv(csv.with_name(f"{csv.stem}-summary{csv.suffix}"), summary(rows))
            write_csv(csv.with_name(f"{csv.stem}-overview{csv.suffix}"), overview(rows))
            out.print(table(found))


def _check(csv: Path, folders: Sequence[Path], candidates: Sequence[Candidate], python: Path) -> None:
    """Refuse, before anything is measured, what would end it later."""
    place = next(path for path in (csv, *csv.absolute().parents) if path.exists())
    if csv.is_dir() or not os.access(place, os.W_OK) or (place != csv and not place.is_dir()):
        raise UserError(f"--csv {csv}: it can't be written ({place}); give another file.")
    for each in candidates:
        for folder in folders:
            each.path(folder)
    if any(each.maker == "openvino" for each in candidates) and not python.is_file():
        raise UserError(
            f"{python} is not there: run python -m benchmarks.peers.openvino first, or give --openvino-env."
        )


def _chosen_folders(models: Path, only: Sequence[str]) -> list[Path]:
    folders = need_models(models)
    names = [folder.name for folder in folders]
    for name in only:
        if name not in names:
            raise unknown("model", name, names)
    return [folder for folder in folders if not only or folder.name in only]


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.peers.compare")
