"""A teacher's inside, kept on disk: what a recipe compares besides logits is asked once for every text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from distill.activations import LOGITS, Activations, Needs, capture, prepare
from distill.data.encoding import MODEL_INPUTS, Collator
from distill.data.sampling import lengths_of
from distill.estimation import now
from pocketbert import processes
from pocketbert.devices import best_device, move
from teachers.caching.parts import Integers, Part, part_of
from teachers.caching.plan import Plan, plan
from teachers.caching.store import TeacherCache, find, make, missing

FOLDER = "teacher-cache"
TEXT = "text_number"
"""The column by which a batch's rows are found in the cache."""

STORED = "stored"
"""The argument of a Distiller that holds what was found."""

PROBED_TEXTS = 64


@dataclass(frozen=True)
class Caching:
    """What is to be kept, of which teacher.

    Attributes:
        teacher: on any device.
        needs: what is kept of it.
        rows: encoded, with `length`.
        collator: pads batches.
        code: how numbers are kept, a name of `teachers.caching.codes.CODES`.
        gigabytes: the most that all files may take, in 10^9 bytes.
    """

    teacher: PreTrainedModel
    needs: Needs
    rows: Dataset
    collator: Collator
    code: str
    gigabytes: float

    def noted(self) -> dict[str, list[int] | None]:
        """Return what is kept, as JSON holds it."""
        return {name: None if layers is None else sorted(layers) for name, layers in sorted(self.needs.items())}

    def plan(self, key: str = "") -> Plan:
        """Return what will be written."""
        answer, _ = self._ask([0])
        parts = [part for part, _ in self._parts(answer)]
        return plan(key, parts, self.code, lengths_of(self.rows), self.gigabytes * 1e9)

    def seconds(self, numbers: Integers) -> float:
        """Return what asking the teacher about texts will take, from one batch of those of middling length."""
        if not len(numbers):
            return 0.0
        middle = max(0, (len(numbers) - PROBED_TEXTS) // 2)
        texts, lengths = numbers[middle : middle + PROBED_TEXTS], lengths_of(self.rows)
        spent = []
        for _ in range(2):
            begin = now()
            self._ask(texts)
            spent.append(now() - begin)
        read = int(lengths[texts].max()) * len(texts)
        return min(spent) * int(lengths[numbers].sum(dtype="int64")) / read

    def left(self, planned: Plan, folder: Path) -> Integers:
        """Return the numbers of the texts that are still to be asked about, none where a run beside has them all."""
        if any(not len(missing(place, planned)) for place in _beside(folder)):
            return planned.order[:0]
        return missing(folder, planned)

    def carry_out(self, key: str, folder: Path, title: str) -> TeacherCache:
        """Return the cache, found in this folder or in that of a run beside it, or made.

        Args:
            key: stands for teacher, texts, tokens and truncation.
            folder: its own, in the run's.
            title: of the progress bar.
        """
        planned = self.plan(key)
        with processes.first_goes_ahead():
            for place in (folder, *_beside(folder)):
                if (found := find(place, planned)) is not None:
                    return found
            with tqdm(total=len(planned.order), desc=title, unit="text", mininterval=1) as bar:
                make(folder, planned, self._answer, bar.update)
        return TeacherCache(folder, planned)

    def _answer(self, texts: Integers) -> tuple[dict[str, Tensor], Tensor]:
        answer, mask = self._ask(texts)
        return {part.key: tensor for part, tensor in self._parts(answer)}, mask.bool()

    def _parts(self, answer: Activations) -> Iterator[tuple[Part, Tensor]]:
        """Give what is kept of a forward pass."""
        for name in self.needs:
            if name == LOGITS:
                yield part_of(name, None, answer.logits), answer.logits
            else:
                for layer, tensor in answer.layers(name).items():
                    yield part_of(name, layer, tensor), tensor

    @torch.inference_mode()
    def _ask(self, texts: Sequence[int] | Integers) -> tuple[Activations, Tensor]:
        move(self.teacher, best_device())
        prepare(self.teacher, self.needs)
        self.teacher.eval()
        names = [name for name in MODEL_INPUTS if name in self.rows.column_names]
        batch = self.collator(list(self.rows.select([int(text) for text in texts]).select_columns(names)))
        inputs = {name: tensor.to(self.teacher.device) for name, tensor in batch.items()}
        return capture(self.teacher, inputs, self.needs), inputs["attention_mask"]


def _beside(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.parent.parent.glob(f"*/{folder.name}")) if path != folder]


class CachedCollator:
    """Pads batches, and adds what the cache has of their texts; without `TEXT` in the rows, it only pads.

    Args:
        collator: pads.
        cache: of the same texts.
    """

    def __init__(self, collator: Collator, cache: TeacherCache) -> None:
        self._collator = collator
        self._cache = cache

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the padded batch, with `STORED` where all of its texts are kept."""
        if TEXT not in rows[0]:
            return self._collator(rows)
        texts = [row[TEXT] for row in rows]
        batch = self._collator([{name: row[name] for name in row if name != TEXT} for row in rows])
        if self._cache.has(texts):
            batch[STORED] = self._cache.read(texts, batch["input_ids"].shape[1])
        return batch
