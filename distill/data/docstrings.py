"""Docstrings of installed libraries, read with `ast`; nothing is imported."""

import ast
import hashlib
import importlib.util
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

from pocketbert.files import text_hash

STANDARD_LIBRARY = "python"
NOT_DOCUMENTATION = {
    "test", "tests", "testing", "_vendor", "site-packages", "dist-packages", "idlelib", "lib2to3", "turtledemo",
}  # fmt: skip
SIGNATURE = re.compile(r"^[\w.\[\], =]*\w\(.*\)( *->.*)?$")
ARGUMENT = re.compile(r"^\w+ \(.*?\): ")  # "hidden_size (int, defaults to 768): …" documents an argument
SENTENCE_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)\s+(?=[A-Z`\"'(*:\[])")
MARKUP = re.compile(r"[`*]+|:[a-z:]+:(?=`)")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def library_folder(library: str) -> Path | None:
    """Return the folder of an installed library (`python`: the standard library); None if it is not installed."""
    if library == STANDARD_LIBRARY:
        return Path(sysconfig.get_path("stdlib"))
    found = importlib.util.find_spec(library)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0])


def first_sentences(folder: Path) -> Iterator[str]:
    """Yield the first sentence of each docstring below a folder.

    Files come in the order of a hash of their paths, so that one can stop early and have read a random,
    reproducible part of the library.
    """
    for docstring in _docstrings_below(folder):
        yield first_sentence(docstring)


def whole_docstrings(folders: Iterable[Path]) -> Iterator[str]:
    """Yield each docstring below the folders once, on one line, without its doctests; files come as above."""
    seen = set[int]()
    for folder in folders:
        for docstring in _docstrings_below(folder):
            lines = (line.strip() for line in docstring.splitlines())
            text = MARKUP.sub("", " ".join(line for line in lines if line and not line.startswith((">>>", "..."))))
            number = text_hash(text)
            if text and number not in seen:
                seen.add(number)
                yield text


def _docstrings_below(folder: Path) -> Iterator[str]:
    for file in sorted(_files(folder), key=lambda name: hashlib.sha256(name.encode()).digest()):
        yield from _docstrings_of((folder / file).read_bytes())


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        inside = path.relative_to(folder)
        if not NOT_DOCUMENTATION.intersection(inside.parts):
            yield inside.as_posix()


def _docstrings_of(source: bytes) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's escape sequences
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    yield from _docstrings(tree)


def _docstrings(node: ast.AST) -> Iterator[str]:
    if isinstance(node, Documented) and (docstring := ast.get_docstring(node, clean=False)):
        yield docstring
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):  # expressions hold no docstrings
            yield from _docstrings(child)


def first_sentence(docstring: str) -> str:
    """Return a docstring's first sentence on one line, without markup signs; "" if it begins otherwise."""
    for paragraph in re.split(r"\n\s*\n", cleandoc(docstring)):
        line = MARKUP.sub("", " ".join(paragraph.split()))
        if not SIGNATURE.match(line):
            return "" if ARGUMENT.match(line) else SENTENCE_END.split(line, maxsplit=1)[0]
    return ""
