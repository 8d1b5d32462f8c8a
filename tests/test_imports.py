"""Imports go one way: who may import whom, read from the source with `ast`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "pocketbert": set(),
    "teachers": {"pocketbert"},
    "students": {"pocketbert"},
    "benchmarks": {"pocketbert", "students"},
    "distill": {"pocketbert", "teachers", "students"},
}
# The entry modules join everything.
ENTRIES = {"distill/assembly.py"}


def _imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package):
    files = [path for path in (ROOT / package).rglob("*.py") if str(path.relative_to(ROOT)) not in ENTRIES]
    assert files
    for path in files:
        foreign = set(_imported(path)) & set(ALLOWED) - {package} - ALLOWED[package]
        assert not foreign, f"{path.relative_to(ROOT)} imports {', '.join(foreign)}"


def test_measuring_needs_no_torch():
    """`benchmarks.latency` and what runs an ONNX file must work where only onnxruntime and numpy are."""
    for name in ("benchmarks/latency.py", "students/exporting/running.py"):
        assert not set(_imported(ROOT / name)) & {"torch", "transformers"}
