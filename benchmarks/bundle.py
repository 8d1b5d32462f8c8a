"""`python -m benchmarks.bundle FOLDER`: benchmarks.latency and a model as one file, for a Raspberry Pi or Termux.

The file runs wherever Python, onnxruntime and NumPy are (tokenizers, too, where its time is wanted).
"""

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import zipapp
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.on_device import CARRIED
from pocketbert import command
from pocketbert.errors import UserError
from students.exporting.golden import GOLDEN, Golden

ENTRY = "benchmarks.on_device"
INSTALLED = {"numpy", "onnxruntime", "tokenizers"}
"""Not in the bundle, since they are not Python alone: the device has them."""

OURS = ("benchmarks", "pocketbert", "students")
MAIN = '''"""Made by benchmarks.bundle."""
import sys
from pathlib import Path

from benchmarks.on_device import main

sys.exit(main(Path(sys.argv[0]).resolve(), sys.argv[1:]))
'''

_IMPORTED = """
import json, sys
sys.modules.update(torch=None, transformers=None, datasets=None)
import {entry}
print(json.dumps([name for name, module in sys.modules.items() if getattr(module, "__file__", None)]))
"""

console = Console(soft_wrap=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def bundle(
    folder: Annotated[Path, typer.Argument(help="With ONNX files and golden.json: students.export's, or RUN/student.")],
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("bench.pyz"),
) -> None:
    """Write one file that checks and measures a folder's models wherever onnxruntime and NumPy are."""
    models = sorted(folder.glob("*.onnx"))
    if not models:
        raise UserError(f"{folder} has no *.onnx file: give a folder that students.export or distill.run wrote.")
    Golden.read(folder / GOLDEN)
    carried = [*models, *(path for name in (GOLDEN, "tokenizer.json") if (path := folder / name).is_file())]
    write_bundle(carried, out)
    console.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB with {', '.join(path.name for path in models)}")
    console.print(f"on the device: pip install onnxruntime tokenizers; python {out.name} --json result.json")


def write_bundle(carried: Iterable[Path], out: Path) -> None:
    """Write the archive, atomically.

    Args:
        carried: models and what stands beside them.
        out: the file.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as place:
        root = Path(place, "root")
        for name, path in [*_code(), *((f"{CARRIED}/{path.name}", path) for path in carried)]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(path.read_bytes())
        (root / "__main__.py").write_text(MAIN, encoding="utf-8")
        made = Path(place, "made.pyz")
        zipapp.create_archive(root, made, interpreter="/usr/bin/env python3", compressed=True)
        made.replace(out)


def _code() -> Iterator[tuple[str, Path]]:
    """Give our modules that measuring imports, and the whole of the pure libraries, with their licences."""
    command_line = [sys.executable, "-c", _IMPORTED.format(entry=ENTRY)]
    done = subprocess.run(command_line, capture_output=True, text=True, check=True)  # noqa: S603  (our own code)
    imported = set(json.loads(done.stdout))
    tops = {name.partition(".")[0] for name in imported if not name.startswith("_")}  # what pip hooks in
    owners = importlib.metadata.packages_distributions()
    ours = {name for top in OURS for name in imported if name.partition(".")[0] == top}
    for name in sorted(ours):
        path = _file_of(name)
        yield f"{name.replace('.', '/')}{'/__init__' if path.name == '__init__.py' else ''}.py", path
    libraries = {owner for top in tops - set(OURS) for owner in owners.get(top, [])} - INSTALLED
    for library in sorted(libraries):
        for file in importlib.metadata.distribution(library).files or ():
            if file.suffix == ".py" or "licenses" in file.parts or file.name.startswith("LICENSE"):
                yield str(file), Path(str(file.locate()))


def _file_of(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(name)
    return Path(spec.origin)


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.bundle")
