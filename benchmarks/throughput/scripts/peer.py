"""One peer's training, in an environment of its own: waits for a line "go N", trains on N batches, and says how long.

TinyBERT's losses on embeddings, layers and attention as a user of each would write them: with what a model returns
when it is asked for hidden states and attentions, and without any help of ours.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, PreTrainedModel, Trainer, TrainingArguments

LONGEST = 128
RATE = 2e-4
SIZE = 2048
REPEATS = 4
Batch = dict[str, Tensor]


class Gate:
    """Lets batches through as it is told to, and reports when they are done."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what a library prints is none of the answers
        self._left = self._rows = 0
        self._begin = 0.0

    def tell(self, answer: dict[str, Any]) -> None:
        """Write an answer."""
        self._out.write(json.dumps(answer) + "\n")
        self._out.flush()

    def let_through(self, rows: int) -> None:
        """Count a batch that is about to be trained on; wait for the next order where there is none left."""
        if not self._left:
            self.tell({"seconds": time.perf_counter() - self._begin, "rows": self._rows})
            words = sys.stdin.readline().split()
            if not words:
                os._exit(0)
            self._left, self._rows, self._begin = int(words[1]), 0, time.perf_counter()
        self._left -= 1
        self._rows += rows


class Batches(torch.utils.data.IterableDataset[Batch]):
    """The task's batches in its order, again and again, padded to their longest text or to 128."""

    def __init__(self, folder: Path, order: str, whole: bool, gate: Gate) -> None:
        self._texts = json.loads((folder / "texts.json").read_text())
        self._order = json.loads((folder / f"{order}.json").read_text())
        self._whole, self._gate = whole, gate

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            for numbers in self._order:
                yield self._batch([self._texts[number] for number in numbers])

    def _batch(self, texts: list[list[int]]) -> Batch:
        self._gate.let_through(len(texts))
        longest = LONGEST if self._whole else max(map(len, texts))
        ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
        return {"input_ids": ids, "attention_mask": (ids != 0).long()}


class Distilled(nn.Module):
    """Student, frozen teacher and projections; returns the loss."""

    def __init__(self, teacher: PreTrainedModel, student: PreTrainedModel, layers: list[int]) -> None:
        super().__init__()
        self._asked = [teacher]  # in a list, so that it is none of the modules that are trained
        self.student, self.layers = student, layers
        ours, theirs = student.config.hidden_size, teacher.config.hidden_size
        self.projections = nn.ModuleList(nn.Linear(ours, theirs) for _ in range(len(layers) + 1))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Return the sum of the losses."""
        asked = {"output_hidden_states": True, "output_attentions": True}
        with torch.no_grad():
            theirs = self._asked[0](input_ids=input_ids, attention_mask=attention_mask, **asked)
        ours = self.student(input_ids=input_ids, attention_mask=attention_mask, **asked)
        places = [0, *(layer + 1 for layer in self.layers)]
        loss = torch.zeros(())
        for project, state, place in zip(self.projections, ours.hidden_states, places, strict=True):
            loss = loss + functional.mse_loss(project(state), theirs.hidden_states[place])
        for attention, layer in zip(ours.attentions, self.layers, strict=True):
            loss = loss + functional.mse_loss(attention, theirs.attentions[layer])
        return {"loss": loss}


def models(folder: Path) -> tuple[PreTrainedModel, PreTrainedModel, list[int]]:
    """Return teacher, student and the teacher's layer for each of the student's."""
    loaded = [
        AutoModelForSequenceClassification.from_pretrained(folder / name, attn_implementation="eager")
        for name in ("teacher", "student")
    ]
    return loaded[0].eval().requires_grad_(False), loaded[1].train(), json.loads((folder / "layers.json").read_text())


def optimizer_of(modules: list[nn.Module], fused: bool) -> torch.optim.Optimizer:
    """Return AdamW over all that is trained."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return torch.optim.AdamW(parameters, lr=RATE, fused=fused or None)


def bare(folder: Path, batches: Batches, fused: bool) -> None:
    """Train with a loop of a few lines."""
    teacher, student, layers = models(folder)
    distilled = Distilled(teacher, student, layers)
    optimizer = optimizer_of([distilled], fused)
    for batch in batches:
        optimizer.zero_grad()
        distilled(**batch)["loss"].backward()
        nn.utils.clip_grad_norm_(distilled.parameters(), 1.0)
        optimizer.step()


def trainer(folder: Path, batches: Batches, fused: bool) -> None:
    """Train with a plain Trainer."""

    class Plain(Trainer):
        def get_train_dataloader(self) -> torch.utils.data.DataLoader[Batch]:
            return torch.utils.data.DataLoader(batches, batch_size=None)

        def compute_loss(self, model: nn.Module, inputs: Batch, *_: object, **__: object) -> Tensor:
            loss: Tensor = model(**inputs)["loss"]
            return loss

    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"), max_steps=10**6, learning_rate=RATE, save_strategy="no", report_to=[],
        optim="adamw_torch_fused" if fused else "adamw_torch", lr_scheduler_type="constant", use_cpu=True,
        disable_tqdm=True, remove_unused_columns=False,
    )  # fmt: skip
    teacher, student, layers = models(folder)
    Plain(Distilled(teacher, student, layers), arguments, train_dataset=batches).train()


def textbrewer(folder: Path, batches: Batches, fused: bool) -> None:
    """Train with TextBrewer's GeneralDistiller."""
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig  # noqa: PLC0415  (in one environment)

    teacher, student, layers = models(folder)
    widths = student.config.hidden_size, teacher.config.hidden_size
    matches: list[dict[str, Any]] = [
        {"layer_T": place, "layer_S": number, "feature": "hidden", "loss": "hidden_mse", "weight": 1,
         "proj": ["linear", *widths]}
        for number, place in enumerate([0, *(layer + 1 for layer in layers)])
    ]  # fmt: skip
    matches += [
        {"layer_T": layer, "layer_S": number, "feature": "attention", "loss": "attention_mse", "weight": 1}
        for number, layer in enumerate(layers)
    ]

    def adaptor(batch: Batch, outputs: Any) -> dict[str, Any]:  # noqa: ANN401  (a ModelOutput)
        return {
            "hidden": outputs.hidden_states, "attention": outputs.attentions, "inputs_mask": batch["attention_mask"],
        }  # fmt: skip

    distiller = GeneralDistiller(
        TrainingConfig(device="cpu", log_dir=None, output_dir=str(folder / "textbrewer")),
        DistillationConfig(intermediate_matches=matches, kd_loss_weight=0),
        teacher, student, adaptor, adaptor,
    )  # fmt: skip
    asked = {"output_hidden_states": True, "output_attentions": True}
    with distiller:
        distiller.train(optimizer_of([student], fused), batches, num_epochs=1, max_grad_norm=1.0, **asked)


def matmul(_folder: Path, batches: Batches, _fused: bool) -> None:
    """Multiply square matrices; a "batch" is one product."""
    left, right = torch.rand(SIZE, SIZE), torch.rand(SIZE, SIZE)
    while True:
        batches._gate.let_through(1)
        left @ right


KINDS: dict[str, Callable[[Path, Batches, bool], None]] = {
    "bare": bare, "trainer": trainer, "textbrewer": textbrewer, "matmul": matmul,
}  # fmt: skip


def main(words: list[str]) -> None:
    """Train as the command line says: kind, folder, order of batches, padding, optimizer, threads."""
    kind, folder, order, padding, optimizer, threads = words
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    gate = Gate()
    KINDS[kind](Path(folder), Batches(Path(folder), order, padding == "whole", gate), optimizer == "fused")


if __name__ == "__main__":
    main(sys.argv[1:])
