"""One file that measures wherever onnxruntime and NumPy are."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.bundle import app
from pocketbert.errors import UserError
from students.exporting.deployment import deploy
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("folder")
    model = random_model(family_config("bert"))
    deploy(model, wordpieces(["film"]), place, ["a film", "good"], ["fp32", "int8"], least_agreement=0)
    return place


@pytest.fixture(scope="module")
def archive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "bench.pyz"
    result = CliRunner().invoke(app, [str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


def _run(archive: Path, place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it where nothing but Python, NumPy, onnxruntime and tokenizers can be imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(place / "libraries")
    (place / "libraries").mkdir()
    for name in ("numpy", "numpy.libs", "onnxruntime", "tokenizers"):
        found = Path(np.__file__).parents[1] / name
        if found.exists():
            (place / "libraries" / name).symlink_to(found)
    command = [sys.executable, "-S", str(archive), *words]  # -S: no site-packages
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_it_checks_and_measures_its_own_models(archive: Path, tmp_path: Path) -> None:
    done = _run(archive, tmp_path, "--length", "4", "--rounds", "1", "--json", "result.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert [row["name"] for row in result["rows"]] == ["model-fp32.onnx", "model-int8.onnx"]
    assert all(row["golden"]["texts"] == 2 and row["opening"]["first_ms"] > 0 for row in result["files"])


def test_other_files_may_be_given(archive: Path, folder: Path, tmp_path: Path) -> None:
    done = _run(archive, tmp_path, str(folder / "model-int8.onnx"), "--check")
    assert done.returncode == 0, done.stderr
    assert "model-int8.onnx" in done.stdout
    assert "model-fp32.onnx" not in done.stdout


def test_mistakes_are_one_line(archive: Path, tmp_path: Path) -> None:
    wrong = _run(archive, tmp_path, "nowhere.onnx")
    assert wrong.returncode == 2
    assert wrong.stderr.strip() == "error: no such file: nowhere.onnx"


def test_it_has_our_code_and_pure_libraries_with_their_licences_alone(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    assert {"benchmarks/comparing.py", "students/exporting/golden.py", "rich/table.py", "__main__.py"} <= set(names)
    assert not [name for name in names if name.startswith(("numpy", "onnxruntime", "torch", "transformers", "setup"))]
    assert not [name for name in names if name.endswith((".so", ".pyd"))]
    assert any("LICENSE" in name and "rich" in name for name in names)
    assert "students/exporting/direct.py" not in names, "it needs torch"


def test_a_folder_without_models_or_golden_sentences_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no \*\.onnx file"):
        CliRunner().invoke(app, [str(tmp_path)], catch_exceptions=False)
    (tmp_path / "model.onnx").write_bytes((folder / "model-int8.onnx").read_bytes())
    with pytest.raises(UserError, match="no set of golden sentences"):
        CliRunner().invoke(app, [str(tmp_path)], catch_exceptions=False)
