"""ProgressiveTrainer: a DistillTrainer that trains the student layer by layer."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from distill.progression import active_layer, layer_of, schedule
from distill.trainer import DistillTrainer


class ProgressiveTrainer(DistillTrainer):
    """Lets one layer after the other be the active one, each with a rate of its own (see `distill.progression`)."""

    def _tell_progress(self) -> None:
        super()._tell_progress()
        self._distiller.go_to_layer(active_layer(self.state.global_step, self.args.max_steps, self._layers))

    @property
    def _layers(self) -> int:
        return int(self._distiller.student.config.num_hidden_layers)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:  # noqa: ANN401  (the Trainer's signature)
        """Make the Trainer's optimizer with a group of parameters for each layer."""
        if self.optimizer is None:
            decayed = set(self.get_decay_parameter_names(self._distiller))
            groups: dict[tuple[int | None, bool], list[nn.Parameter]] = {}
            for name, parameter in self._distiller.named_parameters():
                if parameter.requires_grad:
                    groups.setdefault((layer_of(f".{name}"), name in decayed), []).append(parameter)
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            self._groups = [layer for layer, _ in groups]
            self.optimizer = kind(
                [
                    {"params": parameters, "weight_decay": self.args.weight_decay if decays else 0.0}
                    for (_, decays), parameters in groups.items()
                ],
                **options,
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        """Make the Trainer's schedule, times each layer's share of the rate."""
        made: Any = self.create_optimizer() if optimizer is None else optimizer
        plain: Any = super().create_scheduler(num_training_steps, made)
        base = plain.lr_lambdas[0]
        rates = [schedule(base, layer, num_training_steps, self._layers) for layer in self._groups]
        self.lr_scheduler = LambdaLR(made, rates)
        return self.lr_scheduler
