"""The texts of a corpus, one after another: files, folders, Hub datasets, installed docstrings, or several of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from distill.corpus.readers import of_batches, read_texts, text_files
from distill.data.apidocs import LIBRARIES, installed_version
from distill.data.docstrings import library_folder, whole_docstrings
from distill.data.hub import check_in_reach, looks_like_hub_id, stream_hub
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, sha256

CORPUS = "corpus"
EMBEDDED = "docstrings"
"""What the embedded corpus is called beside other places."""

DOCUMENTED = LIBRARIES | {"numpy": "numpy", "networkx": "networkx", "datasets": "datasets", "optuna": "optuna"}
"""Libraries whose docstrings are the embedded corpus, where they are installed."""


@dataclass(frozen=True)
class Texts:
    """A corpus before it is tokenised.

    Attributes:
        name: short, for titles.
        fingerprint: stands for its content.
        read: begins to read it; every text comes once, in the same order each time.
        size: about how many characters it has; None where that is not known before it is read.
    """

    name: str
    fingerprint: str
    read: Callable[[], Iterator[str]]
    size: int | None = None


def is_corpus(source: str) -> bool:
    """Tell whether a `--data` names a corpus: `corpus`, or `corpus:PLACE`."""
    return source == CORPUS or source.startswith(f"{CORPUS}:")


def check_corpus(source: str) -> None:
    """Refuse a corpus that is not there, without reading it.

    Raises:
        UserError: see `open_texts`.
    """
    for place in _places(source):
        path = Path(place).expanduser()
        if _on_hub(path, place):
            check_in_reach(place)
        elif place != EMBEDDED or path.exists():
            text_files(path)


def open_texts(source: str) -> Texts:
    """Find a corpus; nothing but file names and checksums is read.

    Args:
        source: `corpus` for the docstrings of the installed libraries, or `corpus:PLACE`, or several places with commas
            between them: a file or a folder of text (a text a line), JSONL or Parquet (column `text`), a Hub dataset
            (streamed), or `docstrings`.

    Raises:
        UserError: there is no such thing, or it holds no file of a known format.
    """
    return _joined([_open(place) for place in _places(source)])


def _places(source: str) -> list[str]:
    given = source.removeprefix(CORPUS).removeprefix(":")
    if not given and source != CORPUS:
        raise UserError(f"--data {source} names no path: write --data corpus for the embedded one.")
    if not given:
        return [EMBEDDED]
    if Path(given).expanduser().exists():
        return [given]
    places = [place.strip() for place in given.split(",")]
    if not all(places):
        raise UserError(f"--data {source}: there is nothing before or after a comma; write corpus:PLACE,PLACE.")
    return places


def _on_hub(path: Path, place: str) -> bool:
    return place != EMBEDDED and not path.exists() and looks_like_hub_id(place) and not path.parent.is_dir()


def _open(place: str) -> Texts:
    path = Path(place).expanduser()
    if _on_hub(path, place):
        batches, version = stream_hub(place)
        return Texts(place, fingerprint([place, version]), lambda: of_batches(batches(), place))
    if place == EMBEDDED and not path.exists():
        versions = {name: installed_version(name, distribution) for name, distribution in DOCUMENTED.items()}
        folders = [folder for name in versions if (folder := library_folder(name)) is not None]
        return Texts(EMBEDDED, fingerprint(versions), lambda: whole_docstrings(folders))
    files = text_files(path)
    checksums = [sha256(file) for file in files]
    size = sum(file.stat().st_size for file in files) if all(file.suffix.lower() == ".txt" for file in files) else None
    return Texts(path.stem, fingerprint(checksums), lambda: (text for file in files for text in read_texts(file)), size)


def _joined(parts: Sequence[Texts]) -> Texts:
    if len(parts) == 1:
        return parts[0]
    sizes = [part.size for part in parts]
    return Texts(
        name=" + ".join(part.name for part in parts),
        fingerprint=fingerprint([part.fingerprint for part in parts]),
        read=lambda: chain.from_iterable(part.read() for part in parts),
        size=sum(size for size in sizes if size is not None) if None not in sizes else None,
    )
