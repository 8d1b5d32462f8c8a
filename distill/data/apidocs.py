"""The embedded task: which installed library does the first sentence of a docstring come from?

The classes are the dependencies of this project with the most documented functions (and Python's own library); NumPy,
networkx and the Hugging Face libraries beside transformers have fewer than 2,000 sentences and would halve the task.
Sentences that name one of the libraries are left out, as are sentences that two libraries share, so what is left is
told apart by its subject and manner.
"""

import importlib.metadata
import platform
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from distill.data.docstrings import STANDARD_LIBRARY, first_sentences, library_folder
from distill.data.folders import Source
from distill.data.tables import Table
from pocketbert.cache import cache_folder
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, text_hash

APIDOCS = "apidocs"
ROWS_PER_CLASS = 1800
EVALUATION_SHARE = 10
FORM = 1  # raise it when what is built from the same libraries changes

LIBRARIES: dict[str, str] = {  # import name: distribution name
    "matplotlib": "matplotlib",
    "pandas": "pandas",
    STANDARD_LIBRARY: "",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "sympy": "sympy",
    "torch": "torch",
    "transformers": "transformers",
}
GIVEAWAYS = re.compile(
    r"torch|transformers|sympy|scipy|sklearn|scikit|pandas|matplotlib|pyplot|numpy|python|hugging ?face|\baten\b"
    r"|\b(np|pd|plt|sp)\.|https?:|>>>",
    re.IGNORECASE,
)
WORDS = range(5, 61)
SPARE = 1.3  # read more than needed: some sentences are dropped as shared


def build_apidocs(
    cache_dir: Path | None = None, rows_per_class: int = ROWS_PER_CLASS, libraries: Mapping[str, str] | None = None
) -> Source:
    """Return the task's rows from the cache, or build them from the installed libraries and cache them.

    Args:
        cache_dir: where the Parquet file is kept; `pocketbert.cache.cache_folder()` by default.
        rows_per_class: most rows a class, nine tenths for train and one for evaluation.
        libraries: import names with their distributions' names; `LIBRARIES` by default.

    Raises:
        UserError: fewer than two of the libraries are installed with enough docstrings.
    """
    chosen = LIBRARIES if libraries is None else libraries
    versions = {name: installed_version(name, distribution) for name, distribution in chosen.items()}
    key = fingerprint({"form": FORM, "rows": rows_per_class, "versions": versions})
    file = (cache_dir or cache_folder()) / f"{APIDOCS}-{key}.parquet"
    rows, message = _read_cached(file), f"apidocs: read from {file}."
    if rows is None:
        rows = _build([name for name, version in versions.items() if version], rows_per_class)
        message = _write_cached(file, rows)
    train = pc.equal(rows["split"], "train")
    return Source(
        APIDOCS,
        Table("apidocs (train)", rows.filter(train).drop_columns(["split"])),
        Table("apidocs (evaluation)", rows.filter(pc.invert(train)).drop_columns(["split"])),
        (message,),
    )


def installed_version(library: str, distribution: str) -> str:
    """Return the installed version, or "" where the library is not installed."""
    if library == STANDARD_LIBRARY:
        return platform.python_version()
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _build(libraries: list[str], rows_per_class: int) -> pa.Table:
    found = {library: _sentences(library, int(SPARE * rows_per_class) + 1) for library in libraries}
    owners = Counter(sentence for sentences in found.values() for sentence in sentences)
    parts = {library: _parts([text for text in texts if owners[text] == 1]) for library, texts in found.items()}
    parts = {library: splits for library, splits in parts.items() if all(splits.values())}
    if len(parts) < 2:
        raise UserError(
            f"apidocs needs the docstrings of two of the libraries {', '.join(LIBRARIES)}; this Python has them for "
            f"{', '.join(sorted(parts)) or 'none'}: install the dependencies as the README says, or give a local path."
        )
    most = {"evaluation": max(rows_per_class // EVALUATION_SHARE, 1)}
    most["train"] = max(rows_per_class - most["evaluation"], 1)
    # As many rows of each class as the smallest has: accuracy then needs no second number beside it.
    sizes = {split: min(count, *(len(splits[split]) for splits in parts.values())) for split, count in most.items()}
    rows = [
        (text, library, split)
        for library, splits in parts.items()
        for split, texts in splits.items()
        for text in texts[: sizes[split]]
    ]
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=["sentence", "library", "split"])


def _parts(sentences: list[str]) -> dict[str, list[str]]:
    """Share sentences out by their hash alone, and order them by it."""
    parts: dict[str, list[str]] = {"train": [], "evaluation": []}
    for number, sentence in sorted((text_hash(sentence), sentence) for sentence in sentences):
        parts["train" if number % EVALUATION_SHARE else "evaluation"].append(sentence)
    return parts


def _sentences(library: str, count: int) -> list[str]:
    """Return up to `count` different usable sentences."""
    folder = library_folder(library)
    if folder is None:
        return []
    usable: dict[str, None] = {}
    for sentence in first_sentences(folder):
        if len(sentence.split()) in WORDS and not GIVEAWAYS.search(sentence):
            usable[sentence] = None
        if len(usable) >= count:
            break
    return list(usable)


def _read_cached(file: Path) -> pa.Table | None:
    if not file.exists():
        return None
    try:
        return pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError):
        return None  # a broken file is built anew


def _write_cached(file: Path, rows: pa.Table) -> str:
    """Write the rows atomically; a folder that can't be written costs the next run the time, no more."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            pq.write_table(rows, Path(folder) / file.name)
            (Path(folder) / file.name).replace(file)
    except OSError as error:
        return f"apidocs: built from the installed libraries, but not kept ({error})."
    return f"apidocs: built from the installed libraries and kept as {file}."
