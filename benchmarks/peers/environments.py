"""Environments of the peers, which can't share ours: each is made once from its pinned requirements."""

import os
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

from pocketbert.errors import UserError

HERE = Path(__file__).parent
STAMP = "installed.txt"
"""What was installed, in the environment's folder: written last, so that a broken one is made again."""


def python_of(environment: Path) -> Path:
    """Return an environment's interpreter."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def prepare(environment: Path, name: str) -> Path:
    """Make an environment, unless it is there already, and return its interpreter.

    Args:
        environment: its folder.
        name: of its requirements, `requirements-NAME.txt` here.

    Raises:
        UserError: the folder is something else, or pip fails, which then has said why.
    """
    requirements = HERE / f"requirements-{name}.txt"
    wanted, stamp, python = requirements.read_text(encoding="utf-8"), environment / STAMP, python_of(environment)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and python.is_file():
        return python
    if environment.exists() and not (environment / "pyvenv.cfg").is_file():
        raise UserError(f"--env {environment} is there and no environment of Python: give another folder.")
    venv.create(environment, with_pip=True, clear=True, symlinks=os.name != "nt")
    run([str(python), "-m", "pip", "install", "--requirement", str(requirements)], f"installing {requirements.name}")
    stamp.write_text(wanted, encoding="utf-8")
    return python


def run(arguments: Sequence[str], what: str) -> None:
    """Run a program whose output is the user's to see.

    Raises:
        UserError: it fails; says what it was doing.
    """
    code = subprocess.run(arguments, check=False).returncode  # noqa: S603  (a list, no shell)
    if code:
        raise UserError(f"{what} failed with exit code {code}, as said above.")


def run_script(python: Path, script: str, folders: Sequence[Path]) -> None:
    """Run one of the scripts here on models' folders with an environment's interpreter."""
    run([str(python), str(HERE / "scripts" / script), *map(str, folders)], script)
