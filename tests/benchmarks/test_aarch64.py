"""The bundle on aarch64, under QEMU's user mode: answers alone, since times say nothing there.

It needs qemu-aarch64 of version 10 or newer (7.2 crashes in onnxruntime), and in AARCH64_ROOT the folder of an aarch64
system with Python, and beside its files in `site` the wheels of onnxruntime, numpy and tokenizers, unpacked.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.bundle import app
from pocketbert.files import read_json
from students.exporting.deployment import deploy
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces

ROOT = Path(os.environ.get("AARCH64_ROOT", "nowhere"))
OLDEST = 10


def _version() -> int:
    qemu = shutil.which("qemu-aarch64")
    if qemu is None:
        return 0
    said = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False).stdout
    return int((re.search(r"version (\d+)", said) or ["", "0"])[1])


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_version() < OLDEST, reason=f"needs qemu-aarch64 {OLDEST} or newer"),
    pytest.mark.skipif(not ROOT.is_dir(), reason="AARCH64_ROOT names no aarch64 system with Python"),
]


def _run(archive: Path, *words: str) -> subprocess.CompletedProcess[str]:
    python = next(path for path in (ROOT / "usr" / "bin").glob("python3.*") if "-" not in path.name)
    environment = {"PYTHONHOME": str(ROOT / "usr"), "PYTHONPATH": str(ROOT / "site"), "PATH": os.environ["PATH"]}
    command = ["qemu-aarch64", "-L", str(ROOT), str(python), str(archive), *words]
    return subprocess.run(command, env=environment, cwd=archive.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("family", ["bert", "mobilebert", "roberta"])
def test_files_answer_there_as_here_and_nothing_is_timed(tmp_path: Path, family: str) -> None:
    model = random_model(family_config(family))
    deploy(
        model, wordpieces(["film"]), tmp_path, ["a film", "good", "a long film"], ["fp32", "int8"], least_agreement=0
    )
    archive = tmp_path / "bench.pyz"
    assert CliRunner().invoke(app, [str(tmp_path), "--out", str(archive)]).exit_code == 0
    done = _run(archive, "--check", "--json", "result.json")
    assert done.returncode == 0, done.stderr
    exact, quantised = (file["golden"] for file in read_json(tmp_path / "result.json")["files"])
    assert exact["relative_difference"] < 1e-4
    assert exact["agreement"] == 1.0
    assert quantised["relative_difference"] < 0.1
    timed = _run(archive)
    assert timed.returncode == 2
    assert "emulated" in timed.stderr
