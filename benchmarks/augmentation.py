"""`python -m benchmarks.augmentation TEXTS --model M`: masked words asked for together, and one by one.

The published code asks its language model for one masked word at a time. Both ways are timed on the same texts in
turns, and should name the same candidates but for ties.
"""

import shlex
import statistics
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from distill.augmentation.augmenter import load_augmenter
from distill.augmentation.language import LanguageCandidates
from distill.augmentation.settings import Augmentation
from distill.augmentation.words import Tokenised, Word, find_words
from distill.data.folders import missing_path
from distill.data.formats import read_txt
from pocketbert import command
from pocketbert.errors import UserError
from pocketbert.files import write_csv
from pocketbert.machine import commit, processor

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def augmentation(
    texts: Annotated[Path, typer.Argument(help="Text file, a text a line.")],
    model: Annotated[str, typer.Option(help="A masked language model: name, folder or Hub id.")],
    results: Annotated[Path, typer.Option(help="CSV file to write.")],
    rows: Annotated[int, typer.Option(min=1, help="Texts to take.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of both ways in turns.")] = 5,
) -> None:
    """Time both ways and write words a second and their ratio."""
    if not texts.is_file():
        raise missing_path(texts)
    lines: list[str] = read_txt(texts, "text").data["text"].to_pylist()[:rows]
    augmenter = load_augmenter(Augmentation(model=model), model)
    language = augmenter.language
    assert language is not None  # noqa: S101  (a model that is named has a language head or was refused)
    found = find_words(lines, augmenter.tokenizer, augmenter.length)
    wanted = [(text, word) for text in found for word in text.words if len(word.pieces) == 1]
    if not wanted:
        raise UserError(f"{texts}: none of the {len(lines)} texts has a word of one piece.")
    spent: dict[str, list[float]] = {"together": [], "one by one": []}
    for _ in range(rounds):
        together, seconds = _timed(language, [wanted])
        spent["together"].append(seconds)
        single, seconds = _timed(language, [[pair] for pair in wanted])
        spent["one by one"].append(seconds)
    same = sum(a == b for a, b in zip(together, single, strict=True)) / len(wanted)
    rates = {way: len(wanted) / statistics.median(seconds) for way, seconds in spent.items()}
    row = {
        "model": model,
        "words": len(wanted),
        **{f"{way}, words a second": f"{rate:.0f}" for way, rate in rates.items()},
        "ratio": f"{rates['together'] / rates['one by one']:.1f}",
        "same candidates": f"{same:.3f}",
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "commit": commit(),
        "command": shlex.join(["python", "-m", "benchmarks.augmentation", *sys.argv[1:]]),
    }
    write_csv(results, [row])
    typer.echo("; ".join(f"{name}: {value}" for name, value in row.items()))


def _timed(
    language: LanguageCandidates, groups: list[list[tuple[Tokenised, Word]]]
) -> tuple[list[tuple[str, ...]], float]:
    begin = time.perf_counter()
    found = [candidates for group in groups for candidates in language.find(group)]
    return found, time.perf_counter() - begin


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.augmentation")
