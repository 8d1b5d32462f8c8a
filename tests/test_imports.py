"""Imports go one way: who may import whom, read from the source with `ast`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "pocketbert": set(),
    "teachers": {"pocketbert"},
    "students": {"pocketbert"},
    "benchmarks": {"pocketbert", "students"},
    "distill": {"pocketbert", "teachers", "students"},
    "nas": {"pocketbert", "teachers", "students", "benchmarks", "distill"},
}
# The entry modules join everything.
ENTRIES = {
    "distill/assembly.py",
    "distill/corpus/assembly.py",
    "benchmarks/panel.py",
    "benchmarks/peers/models.py",
    "students/export.py",
    "benchmarks/augmentation.py",
    "benchmarks/proxies.py",
    "benchmarks/precisions.py",
    "benchmarks/throughput/__main__.py",
    "benchmarks/throughput/caching.py",
    "benchmarks/throughput/processes.py",
    "benchmarks/throughput/profile.py",
    "benchmarks/compression.py",
    "benchmarks/throughput/ours.py",
    "benchmarks/throughput/training.py",
    "benchmarks/throughput/task.py",
}


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


@pytest.mark.parametrize("name", ["benchmarks.on_device", "students.exporting.running", "students.exporting.golden"])
def test_measuring_needs_no_torch(name):
    """What measures and runs an ONNX file must work where only onnxruntime and numpy are."""
    absent = "torch=None, transformers=None, datasets=None, typer=None, pydantic=None"
    blocked = f"import sys; sys.modules.update({absent}); import {name}"
    done = subprocess.run([sys.executable, "-c", blocked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
