"""DistillTrainer: transformers.Trainer with named losses, length-grouped batches and a stop at NaN."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from tqdm.auto import tqdm
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from distill.checkpoints import SparedCheckpoints
from distill.data.encoding import Collator
from distill.data.sampling import LengthGroupedSampler, lengths_of
from distill.distiller import SHARE, Distiller
from distill.optimizer import RowAdamW, clip_gradients
from distill.recipes.schema import TrainingSettings
from pocketbert import processes
from pocketbert.devices import best_device
from pocketbert.errors import UserError
from students.fake_quantization import is_attached, load_ranges, read_ranges, write_ranges
from students.fake_quantization.ranges import RANGES

CHECKPOINTS_PER_STAGE = 10
SECONDS = "seconds"


class DistillTrainer(Trainer):
    """Trains a Distiller; accumulation, bf16, callbacks and resume are the Trainer's, and several processes.

    Args:
        distiller: student, projections and losses.
        arguments: from `training_arguments`.
        rows: encoded rows with a `length` column.
        collator: pads a batch.
        title: for the progress bar; None: without a bar.
    """

    def __init__(
        self,
        distiller: Distiller,
        arguments: TrainingArguments,
        rows: Dataset,
        collator: Collator,
        title: str | None,
    ) -> None:
        self._lengths = lengths_of(rows)
        self._distiller = distiller
        super().__init__(
            model=distiller,
            args=arguments,
            train_dataset=rows.remove_columns("length"),
            data_collator=collator,
        )
        # The Trainer would take the loss for one already divided by the accumulation steps.
        self.loss_is_scaled_for_ga = False
        self.model_accepts_loss_kwargs = False
        self._sums: dict[str, Tensor] = {}
        self._batches = 0
        self._begin = time.perf_counter()
        self._before: float | None = None
        self.remove_callback(PrinterCallback)
        self._progress = StageProgress(title)
        self.add_callback(self._progress)
        self.add_callback(SparedCheckpoints())

    def close(self) -> None:
        """Close the bar of a training that ended early, so that what is said next has a line of its own."""
        self._progress.close()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Return the Distiller's weighted loss and remember the unweighted ones for the log."""
        self._tell_progress()
        outputs: dict[str, Tensor] = model(**inputs)
        for name, value in outputs.items():
            if name not in {"loss", "logits"}:
                self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value
        self._batches += 1
        return (outputs["loss"], outputs) if return_outputs else outputs["loss"]

    @staticmethod
    def get_optimizer_cls_and_kwargs(args: TrainingArguments, model: PreTrainedModel | None = None) -> tuple[Any, Any]:
        """Return the Trainer's AdamW, in the form that takes sparse gradients of tables."""
        kind, options = Trainer.get_optimizer_cls_and_kwargs(args, model)
        return (RowAdamW if kind is torch.optim.AdamW else kind), options

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        return clip_gradients(model.parameters(), self.args.max_grad_norm)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Tensor | None = None) -> Tensor:
        return clip_gradients(model.parameters(), math.inf) if grad_norm is None else grad_norm

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Save the weights, and the ranges of a student that rounds, which are none of them."""
        super()._save(output_dir, state_dict)
        if is_attached(self._distiller.student):
            write_ranges(self._distiller.student, Path(output_dir or str(self.args.output_dir)) / RANGES)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if is_attached(self._distiller.student):
            load_ranges(self._distiller.student, read_ranges(Path(resume_from_checkpoint) / RANGES))

    def _tell_progress(self) -> None:
        """Let the Distiller know how far the training is."""
        self._distiller.epoch = int(self.state.epoch or 0)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add each objective's mean since the last log, over the rows it is about; stop when one is not a number.

        Raises:
            UserError: naming the objective whose loss is NaN or infinite.
        """
        if self._batches and "loss" in logs:
            means = {name: total / self._batches for name, total in self._sums.items()}
            gathered = self.accelerator.reduce(means, reduction="mean")
            logs |= _of_their_share({name: float(value) for name, value in gathered.items()})
            self._sums, self._batches = {}, 0
            _check_finite(logs, self.state.global_step)
            logs[SECONDS] = round(self._seconds_before() + time.perf_counter() - self._begin, 2)
        super().log(logs, start_time)

    def _seconds_before(self) -> float:
        """Return the training time of the parts before the checkpoint that this part went on from."""
        if self._before is None:
            self._before = seconds_trained(self.state)
        return self._before

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedSampler:  # noqa: ANN401  (as the Trainer has it)
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return LengthGroupedSampler(self._lengths, size, self.args.seed, lambda: int(self.state.epoch or 0))


def _of_their_share(means: Mapping[str, float]) -> dict[str, float]:
    """Return each loss as the mean over what it is about; leave out those that no row was for."""
    values = {name: value for name, value in means.items() if not name.endswith(SHARE)}
    shares = {name: means.get(f"{name}{SHARE}", 1.0) for name in values}
    return {name: value / shares[name] for name, value in values.items() if shares[name]}


def seconds_trained(state: TrainerState) -> float:
    """Return the training time in seconds up to a state's last log, over all parts of a resumed training."""
    return float(next((entry[SECONDS] for entry in reversed(state.log_history) if SECONDS in entry), 0.0))


def _check_finite(logs: Mapping[str, float], step: int) -> None:
    wrong = [name for name, value in logs.items() if name != "grad_norm" and not math.isfinite(value)]
    if wrong:
        named = [name for name in wrong if name != "loss"] or wrong
        raise UserError(
            f"the loss is not a number at step {step}: objective {', '.join(named)}. Lower the learning rate "
            "(--set training.learning_rate=…) or that objective's weight, and give another --out."
        )


class StageProgress(TrainerCallback):
    """One bar for the stage, with the remaining time and the loss."""

    def __init__(self, title: str | None) -> None:
        self._title = title
        self._bar: tqdm[Any] | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Open the bar at the step that training begins or resumes at."""
        if state.is_world_process_zero and self._title is not None:
            self._bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                desc=self._title,
                unit="step",
                mininterval=1.0,
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Move the bar; have the last steps logged (and so checked) too."""
        control.should_log |= state.global_step >= state.max_steps
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: object,
    ) -> None:
        """Show the newest loss."""
        if self._bar is not None and logs and "loss" in logs:
            self._bar.set_postfix(loss=f"{logs['loss']:.4g}", refresh=False)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar, if one is open."""
        if self._bar is not None:
            self._bar.close()


def steps_per_epoch(settings: TrainingSettings, rows: int) -> int:
    """Return the optimizer steps of one pass over `rows` rows; every process takes a batch of its own."""
    batches = math.ceil(rows / (settings.batch_size * processes.count()))
    return math.ceil(batches / settings.gradient_accumulation_steps)


def total_steps(settings: TrainingSettings, rows: int) -> int:
    """Return the optimizer steps of a stage over `rows` rows."""
    if settings.max_steps is not None:
        return settings.max_steps
    one_pass = steps_per_epoch(settings, rows)
    most = math.inf if settings.max_epochs is None else math.ceil(one_pass * settings.max_epochs)
    return int(max(math.ceil(one_pass * settings.epochs), min(settings.min_steps, most)))


def training_arguments(
    settings: TrainingSettings, folder: Path, rows: int, seed: int, *, bf16: bool = False
) -> TrainingArguments:
    """Translate a stage's settings for the Trainer.

    Checkpoints fall on logging steps, or a resumed run would lose part of a logged mean.
    """
    steps = total_steps(settings, rows)
    logging = max(1, min(50, steps // 40))
    saving = max(logging, steps // CHECKPOINTS_PER_STAGE // logging * logging)
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        max_steps=steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler if settings.scheduler != "constant" else "constant_with_warmup",
        warmup_steps=math.ceil(settings.warmup_ratio * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.gradient_clipping,
        bf16=bf16,
        use_cpu=best_device().type == "cpu",  # without it, bf16 is refused on a CPU
        seed=seed,
        logging_steps=logging,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=saving,
        save_total_limit=1,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=True,
        report_to=[],
    )
    # Several visible devices in one process would be wrapped in DataParallel, which gathers losses as vectors.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments
