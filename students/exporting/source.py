"""What a file says of where it came from: its source's hash, and the run that made the source."""

import hashlib
from pathlib import Path

from pocketbert.files import folder_name, read_json, sha256

RECORD = "run.json"


def source_of(folder: Path) -> dict[str, str]:
    """Return metadata for the files of a model.

    `source` is the SHA-256 of what `sha256sum config.json *.safetensors` prints in its folder; `recipe`, `teacher` and
    `data` are there where a run's record says them.

    Args:
        folder: of the model; a run's record is in it, or in the folder above the run's student.
    """
    names = ["config.json", *sorted(path.name for path in folder.glob("*.safetensors"))]
    lines = "".join(f"{sha256(folder / name)}  {name}\n" for name in names)
    record = folder.resolve().parent / RECORD if folder.resolve().name == "student" else folder / RECORD
    return {"source": hashlib.sha256(lines.encode()).hexdigest(), **_recorded(record)}


def _recorded(record: Path) -> dict[str, str]:
    try:
        run = read_json(record)
        teachers = " + ".join(folder_name(str(each)) for each in run["config"]["teachers"])
        return {"recipe": str(run["recipe"]["name"]), "teacher": teachers, "data": str(run["data"]["fingerprint"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # no run's, or of another version: then the hash stands alone
