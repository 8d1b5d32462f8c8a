"""Hub datasets: `name`, `name/config`, `namespace/name` or `namespace/name/config`; never any remote code."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import Dataset, DatasetDict, IterableDatasetDict, load_dataset
from datasets.exceptions import DatasetNotFoundError
from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # the one that the Hub's errors are of

from distill.data.folders import EVALUATION_NAMES, TRAIN_NAMES, Source
from distill.data.formats import arrow_table
from pocketbert.errors import UserError
from pocketbert.hub import hub_reachable

ROWS_A_BATCH = 1000
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*){0,2}")


def looks_like_hub_id(source: str) -> bool:
    """Whether a source can be a Hub id rather than a path."""
    return HUB_ID.fullmatch(source) is not None


def check_in_reach(source: str) -> None:
    """Check that the Hub answers, or that its cache on this machine has the dataset.

    Raises:
        UserError: neither.
    """
    if not hub_reachable():
        with _offline(wanted=True), _quiet():
            _load(source, online=False)


def open_hub(source: str) -> Source:
    """Load a Hub dataset, from the Hub or from its cache on this machine.

    Raises:
        UserError: no such dataset or configuration, no train split, or the Hub can't be reached and the cache does not
            have it (known within seconds).
    """
    online = hub_reachable()
    with _offline(not online), _quiet():
        splits, _ = _load(source, online)
    train = next((name for name in TRAIN_NAMES if name in splits), None)
    if train is None:
        raise UserError(f"Hub dataset '{source}' has no train split; it has {', '.join(splits)}.")
    evaluation = next((name for name in EVALUATION_NAMES if name in splits), None)
    note = " (there is no validation split)" if evaluation == "test" else ""
    message = f"Hub dataset '{source}': train: {train}" + (f"; evaluation: {evaluation}{note}." if evaluation else ".")
    return Source(
        source.replace("/", "-"),
        arrow_table(f"{source} ({train})", _rows(splits[train])),
        arrow_table(f"{source} ({evaluation})", _rows(splits[evaluation])) if evaluation else None,
        (message,),
    )


def stream_hub(source: str) -> tuple[Callable[[], Iterator[pa.RecordBatch]], str]:
    """Open the train split of a Hub dataset without fetching it: its rows come while they are read.

    Returns:
        What begins to read it, and what stands for its version.

    Raises:
        UserError: as `open_hub`; while it is read, the Hub has gone away.
    """
    online = hub_reachable()
    with _offline(not online), _quiet():
        splits, version = _load(source, online, streaming=True)
    if "train" not in splits:
        raise UserError(f"Hub dataset '{source}' has no train split; it has {', '.join(splits)}.")
    rows = splits["train"].with_format("arrow")

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            with _offline(not online), _quiet():
                for table in rows.iter(batch_size=ROWS_A_BATCH):
                    yield from table.to_batches()
        except (ConnectionError, httpx.TransportError) as error:
            raise UserError(f"Hub dataset '{source}' broke off ({_one_line(error)}): run the command again.") from None

    return batches, version


def _load(source: str, online: bool, *, streaming: bool = False) -> tuple[Mapping[str, Any], str]:
    """Return a dataset's splits and its version: a commit, or the cached copy's name."""
    for name, config in _candidates(source):
        try:
            place = name if online else _snapshot(name)
            # A dataset that is in the cache of `datasets` alone can't be streamed, and need not be.
            streamed = streaming and (online or place != name)
            version = str(HfApi().dataset_info(name).sha) if online and streaming else Path(place).name
            return _splits(load_dataset(place, config, streaming=streamed)), version
        except (ConnectionError, httpx.TransportError):
            online = False  # it answered once and is gone now
        except (DatasetNotFoundError, OSError):
            continue
        except (ValueError, RuntimeError) as error:
            raise UserError(f"Hub dataset '{source}' can't be loaded: {_one_line(error)}") from None
    if online:
        raise UserError(f"no dataset '{source}' on the Hub (or it needs a login): check the id, or give a local path.")
    raise UserError(
        f"'{source}' is no file or folder, and the Hub can't be reached (nor is it in its cache on this machine): "
        "take --data apidocs (a task) or corpus (text), which need no network, or a local path."
    )


def _candidates(source: str) -> list[tuple[str, str | None]]:
    parts = source.split("/")
    if len(parts) == 3:
        return [("/".join(parts[:2]), parts[2])]
    return [(source, None)] if len(parts) == 1 else [(source, None), (parts[0], parts[1])]


def _snapshot(name: str) -> str:
    """Return the folder in the Hub's file cache that holds a dataset, or the name for the cache of `datasets`."""
    try:
        return snapshot_download(name, repo_type="dataset", local_files_only=True)
    except LocalEntryNotFoundError:
        return name


def _splits(loaded: Any) -> dict[str, Any]:  # noqa: ANN401  (load_dataset's many results)
    if not isinstance(loaded, DatasetDict | IterableDatasetDict):
        raise ValueError("it has no named splits.")
    return dict(loaded)


def _rows(dataset: Dataset) -> Any:  # noqa: ANN401  (pyarrow has no types)
    return dataset.with_format("arrow")[:]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """Set the switch that the environment variable HF_HUB_OFFLINE sets when both libraries are imported."""
    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if wanted:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


@contextmanager
def _quiet() -> Iterator[None]:
    before = datasets.utils.logging.get_verbosity()
    datasets.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.utils.logging.set_verbosity(before)
