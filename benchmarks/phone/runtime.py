"""ONNX Runtime Web, pinned by package-lock.json and installed by npm where it is first needed."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from pocketbert.cache import cache_folder, unwritable
from pocketbert.errors import UserError
from pocketbert.files import fingerprint, read_json

PINNED = Path(__file__).parent / "runtime"
PACKAGE = "onnxruntime-web"
WASM = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm")
SECONDS = 300


@dataclass(frozen=True)
class Runtime:
    """The installed runtime.

    Attributes:
        version: of the package.
        files: what a page may load, by file name.
    """

    version: str
    files: dict[str, Path]


def runtime(tell: Callable[[str], object]) -> Runtime:
    """Return the runtime; install it first where it is not yet there.

    Args:
        tell: called with a line before it is installed.

    Raises:
        UserError: npm is missing, or can't install it.
    """
    lock = (PINNED / "package-lock.json").read_text(encoding="utf-8")
    version = json.loads(lock)["packages"][f"node_modules/{PACKAGE}"]["version"]
    place = cache_folder() / f"{PACKAGE}-{version}-{fingerprint(lock)}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not place.is_dir():
                tell(f"{PACKAGE} {version} is installed once, with npm (33 MB)")
                _install(place)
    except OSError as error:
        raise unwritable(PACKAGE, place.parent, error) from None
    files = {name: place / name for name in (*WASM, *WEBGPU)}
    if missing := [name for name, path in files.items() if not path.is_file()]:
        raise UserError(f"{place} lacks {missing[0]}: remove that folder, and run this again.")
    return Runtime(version, files)


def _install(place: Path) -> None:
    """Put the package's files into a folder that appears whole or not at all."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError("npm is not on the PATH, and the page's runtime is installed with it: install Node.js.")
    with TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PINNED / name, temporary)
        words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(  # noqa: S603  (npm, with words of our own)
                words, cwd=temporary, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"npm did not install {PACKAGE} within {SECONDS} s: is its registry reachable?") from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
            raise UserError(f"npm could not install {PACKAGE}: {lines[0].strip()}")
        package = Path(temporary, "node_modules", PACKAGE)
        if read_json(package / "package.json")["name"] != PACKAGE:
            raise UserError(f"npm installed something else than {PACKAGE}")
        made = Path(temporary, "made")
        made.mkdir()
        for name in (*WASM, *WEBGPU):
            shutil.move(package / "dist" / name, made / name)
        made.rename(place)
