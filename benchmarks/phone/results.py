"""Results as they are kept, one file a visit of a phone."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from pydantic import ValidationError

from benchmarks.measuring import LatencyRow, row_of
from benchmarks.phone.candidates import Candidate
from benchmarks.phone.given import Given
from benchmarks.phone.plan import SCHEMA
from benchmarks.phone.schema import Cell, Result
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_json

NAMED = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")


def understood(body: bytes, given: Given) -> Result:
    """Return what a phone sent.

    Args:
        body: as it came.
        given: what the phone was to do.

    Raises:
        UserError: it is no result, or can't be one of what was given.
    """
    try:
        result = Result.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise UserError(f"no result of schema {SCHEMA}: {place}: {first['msg']}") from None
    known = {each.name for each in given.files}
    told = [*(each.name for each in result.files), *(each.name for each in result.cells)]
    told += [result.sustained.name] if result.sustained else []
    if strange := [name for name in told if name not in known]:
        raise UserError(f"a result of a file that was not given: {strange[0]!r}")
    if uneven := [cell.name for cell in result.cells if len({len(samples) for samples in cell.samples_ms}) > 1]:
        raise UserError(f"{uneven[0]!r} has more samples in one round than in another")
    keys = [(cell.name, cell.length, cell.threads) for cell in result.cells]
    if len(set(keys)) < len(keys) or len({each.name for each in result.files}) < len(result.files):
        raise UserError("the same thing is in it twice")
    return given.judged(result)


def document(result: Result, files: Sequence[Candidate], received: str) -> dict[str, Any]:
    """Return a result as it is kept, with percentiles and what the laptop knows of the files.

    Rows and environment are those of `benchmarks.latency --json`, so that `nas.latency --measured` reads them.

    Args:
        result: a phone's.
        files: that it was given.
        received: when.
    """
    plain = result.model_dump(by_alias=True, exclude={"cells"})
    device, context = result.device, result.context
    return {
        **plain,
        "received": received,
        "environment": {
            "processor": name_of(plain["device"]),
            "cores": device.cores,
            "system": device.platform,
            "runtime": f"onnxruntime-web {context.runtime}, {context.provider}",
            "browser": device.browser,
        },
        "files": [_file(each, files) for each in plain["files"]],
        "rows": [asdict(_row(cell, result.batch)) for cell in result.cells],
    }


def name_of(device: Mapping[str, Any]) -> str:
    """Return what to call a phone: its model where the browser tells it, else its system and browser."""
    return str(device["model"] or f"{device['platform'] or 'unknown system'}, {device['browser'] or 'unknown browser'}")


def keep(folder: Path, name: str, found: Mapping[str, Any]) -> Path:
    """Write a result, atomically; an earlier one of the same visit is replaced.

    Args:
        folder: of the results.
        name: of the visit.
        found: as of `document`.
    """
    path = folder / f"{name}.json"
    write_json(path, found)
    return path


def kept(
    folder: Path, check: Callable[[Mapping[str, Any]], object], warn: Callable[[str], object]
) -> list[dict[str, Any]]:
    """Return the results in a folder, the oldest first, without those that can't be used.

    Args:
        folder: of the results.
        check: called with each; raises what it likes where the result can't be used.
        warn: called with a line for each that is left out.
    """
    found = []
    for path in sorted(path for path in folder.glob("*.json") if NAMED.fullmatch(path.stem)):
        try:
            result = read_json(path)
            if result["schema"] != SCHEMA:
                warn(f"{path} is left out: it has schema {result['schema']!r:.20}, and this version reads {SCHEMA}.")
                continue
            check(result)
        except Exception as error:  # anything may stand in an old file, and none may take the others down
            warn(f"{path} is left out: it can't be read as a phone's result ({type(error).__name__}).")
            continue
        found.append(result)
    return found


def check_folder(folder: Path) -> None:
    """Make the folder of the results, and look whether it can be written.

    Raises:
        UserError: it can't be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"--out {folder} can't be written ({error.strerror}): give another folder.") from None


def now() -> datetime.datetime:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def _file(found: Mapping[str, Any], files: Sequence[Candidate]) -> dict[str, Any]:
    known = next(each for each in files if each.name == found["name"])
    return {**found, "bytes": known.proven.bytes, "sha256": known.proven.sha256}


def _row(cell: Cell, batch: int) -> LatencyRow:
    return row_of(cell.name, cell.length, batch=batch, threads=cell.threads, calls=cell.calls, raw_ms=cell.samples_ms)
