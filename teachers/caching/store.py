"""The files of a cache: written one after the other, found again after a kill, and read memory-mapped."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pocketbert.files import read_json, sha256, write_json
from teachers.caching.codes import CODES
from teachers.caching.parts import LOGITS, Integers, Part
from teachers.caching.plan import Plan

INDEX, LOCK = "cache.json", "cache.lock"
BATCH_TOKENS = 4096
"""The teacher reads so many at once, the like of a training step of many texts."""

MOST_TEXTS = 256

Answer = Callable[[Integers], tuple[Mapping[str, Tensor], Tensor]]
"""Numbers of texts to the teacher's tensors by `Part.key` and their mask [B, L], true for real tokens."""
Stored = dict[str, Tensor | dict[int, Tensor]]
"""A batch: the logits, and all else by layer."""


class TeacherCache:
    """A whole cache, open for reading.

    Attributes:
        folder: of its files.
        plan: by which they were written.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self._code = CODES[plan.code]
        names = [name for part in plan.parts for name in self._code.keys(part.key)]
        self._shards = [_mapped(_shard(folder, number), names) for number in range(len(plan.cuts) - 1)]
        self._place = np.full(len(plan.lengths), -1, dtype=np.int64)
        self._place[plan.order] = np.arange(len(plan.order))
        self._begins = {part.key: _begins(plan, part) for part in plan.parts}

    def has(self, texts: Sequence[int]) -> bool:
        """Tell whether all of these are kept."""
        return bool((self._place[np.asarray(texts)] >= 0).all())

    def read(self, texts: Sequence[int], longest: int) -> Stored:
        """Return what the teacher said of texts, in float32 and padded as in a forward pass.

        Args:
            texts: their numbers, all of them kept.
            longest: tokens of the padded batch.
        """
        batch: Stored = {}
        for part in self.plan.parts:
            tensor = self._tensor(part, np.asarray(texts), longest)
            if part.layer is None:
                batch[part.name] = tensor
            else:
                layers = batch.setdefault(part.name, {})
                assert isinstance(layers, dict)  # noqa: S101  (for type checkers: no name is both)
                layers[part.layer] = tensor
        return batch

    def logits(self) -> Tensor | None:
        """Return the logits of all texts, [N, C]; None where some are not kept."""
        part = next((part for part in self.plan.parts if part.name == LOGITS), None)
        if part is None or not self.plan.whole:
            return None
        return self._tensor(part, np.arange(len(self.plan.lengths)), 1)

    def _tensor(self, part: Part, texts: Integers, longest: int) -> Tensor:
        place = self._place[texts]
        index = part.index(self.plan.lengths[texts], longest)
        first = torch.from_numpy(self._begins[part.key][place])
        index = index + first.view(-1, *[1] * (index.dim() - 1))
        shard = np.searchsorted(self.plan.cuts, place, side="right") - 1
        return part.padded(self._chosen(part, index, shard))

    def _chosen(self, part: Part, index: Tensor, shard: Integers) -> Tensor:
        found = np.unique(shard)
        if len(found) == 1:
            return self._code.decode(part.key, self._shards[found[0]], index)
        numbers = torch.empty(*index.shape, part.width)
        for number in found:
            rows = torch.from_numpy(np.flatnonzero(shard == number))
            numbers[rows] = self._code.decode(part.key, self._shards[number], index[rows])
        return numbers


def _begins(plan: Plan, part: Part) -> Integers:
    """Return where each kept text begins in its own file, in the order of the plan, [n]."""
    counts = part.places.of(plan.lengths[plan.order])
    begins = counts.cumsum() - counts
    for start, stop in zip(plan.cuts, plan.cuts[1:], strict=False):
        begins[start:stop] -= begins[start]
    return begins


def _mapped(file: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Return a file's tensors, whose content is read as it is looked at."""
    with safe_open(file, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in names}


def find(folder: Path, plan: Plan) -> TeacherCache | None:
    """Return the cache of this plan if it is there, whole and unharmed."""
    try:
        index = read_json(folder / INDEX)
        if index["plan"] != plan.as_dict() or len(index["shards"]) != len(plan.cuts) - 1:
            return None
        if any(sha256(folder / name) != shard["sha256"] for name, shard in index["shards"].items()):
            return None
        return TeacherCache(folder, plan)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def missing(folder: Path, plan: Plan) -> Integers:
    """Return the numbers of the texts that `make` would still have to ask about, as far as files' sizes tell."""
    try:
        index = read_json(folder / INDEX)
        known = index["shards"] if index["plan"] == plan.as_dict() else {}
        sizes = {file.name: file.stat().st_size for file in folder.glob("*.safetensors")}
        names = [_shard(folder, number).name for number in range(len(plan.cuts) - 1)]
        kept = [name in known and known[name]["bytes"] == sizes.get(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return plan.order
    texts: Integers = plan.order[~np.repeat(np.array(kept, dtype=bool), np.diff(plan.cuts))]
    return texts


def error_of(folder: Path) -> float:
    """Return by how much of their size the kept numbers are off: the worst part's in the first batch of a file."""
    return max((shard["error"] for shard in read_json(folder / INDEX)["shards"].values()), default=0.0)


def make(folder: Path, plan: Plan, answer: Answer, progress: Callable[[int], object] = lambda texts: None) -> None:
    """Write what is missing of a cache; whole files of an earlier try stay.

    Args:
        folder: its own; files of another plan in it are removed.
        plan: what is written.
        answer: asks the teacher.
        progress: called with the number of texts that are done since the last call.
    """
    with writing(folder):
        if find(folder, plan) is not None:
            progress(len(plan.order))
            return
        shards = _usable(folder, plan)
        for number, (start, stop) in enumerate(zip(plan.cuts, plan.cuts[1:], strict=False)):
            file = _shard(folder, number)
            if file.name not in shards:
                tensors, error = _ask(plan, start, stop, answer, progress)
                partial = file.with_suffix(".partial")
                save_file(tensors, partial)
                partial.chmod(0o644)
                partial.replace(file)
                shards[file.name] = {"sha256": sha256(file), "bytes": file.stat().st_size, "error": error}
                write_json(folder / INDEX, {"plan": plan.as_dict(), "shards": shards})
            else:
                progress(stop - start)
        write_json(folder / INDEX, {"plan": plan.as_dict(), "shards": shards})


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Let one process at a time write a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        yield


def _usable(folder: Path, plan: Plan) -> dict[str, dict[str, object]]:
    """Return the files that an earlier try has left whole, and remove all others."""
    try:
        index = read_json(folder / INDEX)
        known = dict(index["shards"]) if index["plan"] == plan.as_dict() else {}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    shards = {
        name: shard
        for name, shard in known.items()
        if (folder / name).is_file() and sha256(folder / name) == shard["sha256"]
    }
    for file in [*folder.glob("*.safetensors"), *folder.glob("*.partial"), *folder.glob(f".{INDEX}.*")]:
        if file.name not in shards:
            file.unlink()
    return shards


def _ask(
    plan: Plan, start: int, stop: int, answer: Answer, progress: Callable[[int], object]
) -> tuple[dict[str, Tensor], float]:
    """Return the content of one file and the worst part's error."""
    code = CODES[plan.code]
    found: dict[str, list[Tensor]] = {}
    worst = 0.0
    for texts in _batches(plan, start, stop):
        tensors, mask = answer(texts)
        for part in plan.parts:
            numbers = part.flat(tensors[part.key], mask).float().cpu()
            written = code.encode(part.key, numbers)
            for name, tensor in written.items():
                found.setdefault(name, []).append(tensor)
            if len(found[part.key]) == 1:
                again = code.decode(part.key, written, torch.arange(len(numbers)))
                worst = max(worst, float((again - numbers).norm() / numbers.norm().clamp(min=1e-30)))
        progress(len(texts))
    return {name: torch.cat(tensors) for name, tensors in found.items()}, worst


def _batches(plan: Plan, start: int, stop: int) -> Iterator[Integers]:
    """Give the numbers of texts that the teacher reads at once."""
    while start < stop:
        lengths = plan.lengths[plan.order[start : min(stop, start + MOST_TEXTS)]]
        padded = lengths * np.arange(1, len(lengths) + 1)
        count = max(1, int(np.searchsorted(padded, BATCH_TOKENS, side="right")))
        yield plan.order[start : start + count]
        start += count


def _shard(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.safetensors"
