"""`python -m benchmarks.exporting DIR…`: what it takes to write a model's graphs, and its whole folder with proof."""

import shlex
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor
from students.exporting.deployment import deploy
from students.exporting.direct import can_write
from students.exporting.files import export_fp32, export_int8
from students.exporting.golden import TEXTS
from students.exporting.loading import find_folder, load

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def exporting(
    folders: Annotated[list[Path], typer.Argument(help="Hugging Face folders.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    rounds: Annotated[int, typer.Option(min=1, help="Of everything, in turns; medians count.")] = 5,
) -> None:
    """Time the float32 and the int8 file alone, and both with parity, golden sentences and what stands beside them."""
    loaded = {folder: load(find_folder(folder)) for folder in folders}
    for folder, (model, _) in loaded.items():
        if not can_write(model):
            raise UserError(f"{folder}: {type(model).__name__} is not written from its weights.")
    spent: dict[tuple[Path, str], list[float]] = {}
    with TemporaryDirectory() as place:
        out = Path(place)
        for _ in range(rounds):
            for folder, (model, tokenizer) in loaded.items():
                for way, work in _ways(model, tokenizer, out).items():
                    begin = time.perf_counter()
                    work()
                    spent.setdefault((folder, way), []).append(time.perf_counter() - begin)
    rows = [
        {
            "model": folder.name,
            "parameters": sum(x.numel() for x in loaded[folder][0].parameters()),
            **{f"{way}, s": f"{statistics.median(found):.2f}" for (of, way), found in spent.items() if of == folder},
            "rounds": rounds,
            "threads": torch.get_num_threads(),
            "processor": processor(),
            "commit": commit(),
            "command": shlex.join(["python", "-m", "benchmarks.exporting", *sys.argv[1:]]),
        }
        for folder in folders
    ]
    write_csv(results, rows)
    for row in rows:
        typer.echo("; ".join(f"{name}: {value}" for name, value in row.items()))


def _ways(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path) -> dict[str, Callable[[], object]]:
    return {
        "fp32 file": partial(export_fp32, model, out / "a.onnx"),
        "int8 file": partial(export_int8, model, out / "a.onnx"),
        "folder with parity": partial(deploy, model, tokenizer, out, TEXTS, ("fp32", "int8"), least_agreement=0.0),
    }


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.exporting")
