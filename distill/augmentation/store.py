"""A task's augmented texts on disk: made once, part by part, so that an interrupted making goes on where it was."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import Dataset, concatenate_datasets
from filelock import FileLock
from tqdm.auto import tqdm

from distill.augmentation.augmenter import Augmenter
from distill.augmentation.copies import draw_copies
from distill.augmentation.settings import Augmentation
from distill.data.tasks import TEXT, TEXT_PAIR
from distill.estimation import check_disk, duration
from pocketbert.cache import cache_folder, unwritable
from pocketbert.command import say
from pocketbert.files import fingerprint, text_hash

ROWS_A_PART = 1000
SAMPLE = 32
"""Rows that the cost is estimated from."""


def augmented(
    rows: Dataset, augmenter: Augmenter, settings: Augmentation, seed: int, cache_dir: Path | None = None
) -> tuple[Dataset, Path]:
    """Return the copies of a task's rows from the cache, or make them into the cache.

    A row's copies depend on its text, the settings and the seed alone.

    Args:
        rows: columns `text` and perhaps `text_pair`.
        augmenter: finds candidates.
        settings: how many copies, and how much of them is replaced.
        seed: of the draws.
        cache_dir: holds the files; the same folder as for `apidocs` by default.

    Returns:
        The text columns of the copies, without a row's repetitions, and the folder that they are in.

    Raises:
        UserError: the folder can't be written.
    """
    columns = [name for name in (TEXT, TEXT_PAIR) if name in rows.column_names]
    texts = rows.select_columns(columns)
    drawn = [settings.copies, settings.probability, seed]
    content = {name: texts[name][:] for name in columns}
    folder = (cache_dir or cache_folder()) / f"augmented-{fingerprint([content, augmenter.fingerprint, drawn])}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not (folder / _part(0)).exists():
                _announce(texts, augmenter, settings, folder)
            parts = list(_parts(texts, augmenter, settings, seed, folder))
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise unwritable("augmented text", folder.parent, error) from None
    return concatenate_datasets([Dataset.from_file(str(part)) for part in parts]), folder


def _part(number: int) -> str:
    return f"{number:05d}.arrow"


def _announce(texts: Dataset, augmenter: Augmenter, settings: Augmentation, folder: Path) -> None:
    """Say what it will cost, from a few rows, and check the room on disk.

    Raises:
        UserError: there is too little.
    """
    sample = texts[:SAMPLE]
    begin = time.perf_counter()
    made = _copies(sample, augmenter, settings, 0)
    share = len(texts) / len(sample[TEXT])
    seconds = (time.perf_counter() - begin) * share
    size = int(sum(len(text.encode()) for column in made.values() for text in column) * share)
    say(f"augmenting {len(texts):,} rows: about {duration(seconds)} and {size / 1e9:.2f} GB of disk, once", "")
    check_disk(folder, size, "augmented text", "XDG_CACHE_HOME")


def _parts(texts: Dataset, augmenter: Augmenter, settings: Augmentation, seed: int, folder: Path) -> Iterator[Path]:
    """Make the parts that are not there."""
    with tqdm(total=len(texts), desc="augmenting", unit="row", mininterval=1) as bar:
        for number, start in enumerate(range(0, len(texts), ROWS_A_PART)):
            file = folder / _part(number)
            chosen = texts[start : start + ROWS_A_PART]
            if not file.exists():
                _write(_copies(chosen, augmenter, settings, seed), file)
            bar.update(len(chosen[TEXT]))
            yield file


def _copies(
    rows: dict[str, list[str]], augmenter: Augmenter, settings: Augmentation, seed: int
) -> dict[str, list[str]]:
    """Return the copies of some rows; those of a pair change its two texts in turn."""
    candidates = {name: augmenter.candidates(texts) for name, texts in rows.items()}
    made: dict[str, list[str]] = {name: [] for name in rows}
    for number in range(len(rows[TEXT])):
        original = tuple(texts[number] for texts in rows.values())
        generator = np.random.default_rng([seed, text_hash(*original)])
        drawn = [
            draw_copies(text, candidates[name][number], settings.copies, settings.probability, generator)
            for name, text in zip(rows, original, strict=True)
        ]
        for copy in dict.fromkeys(_mixed(original, drawn, int(generator.integers(len(original))))):
            if copy != original:
                for name, text in zip(made, copy, strict=True):
                    made[name].append(text)
    return made


def _mixed(original: tuple[str, ...], drawn: Sequence[Sequence[str]], first: int) -> Iterator[tuple[str, ...]]:
    for number in range(len(drawn[0])):
        changed = (first + number) % len(original)
        yield tuple(drawn[place][number] if place == changed else text for place, text in enumerate(original))


def _write(columns: dict[str, list[str]], file: Path) -> None:
    partial = file.with_suffix(".partial")
    table = pa.table(columns, pa.schema([(name, pa.string()) for name in columns]))
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    partial.replace(file)
