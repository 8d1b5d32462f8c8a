"""The Distiller: everything that is differentiable in a stage — student, projections, losses."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from distill.activations import LOGITS, Activations, capture, joined, prepare
from distill.losses import IGNORED_LABEL
from distill.masking import Masking, Vocabulary, mask_tokens
from distill.noise import Noise, add_noise
from distill.objectives import Objective
from distill.objectives.layerwise import Layerwise
from pocketbert.devices import move

SHARE = ".share"
"""Follows an objective's name where its loss is about a part of the batch."""


class Distiller(nn.Module):
    """Student plus weighted objectives; holds the teacher beside the module tree.

    The teacher is not a submodule, or `.train()` would turn its dropout on and every checkpoint would hold it.

    Args:
        student: the model that is trained.
        objectives: by name; their projections are trained, checkpointed and resumed with the student, and
            never saved in the student's own weights.
        teacher: None when no objective needs one.
        noise: changes to the texts in training, from the epoch after its clean ones; none where no objective asks
            the teacher.
        special_ids: tokens that noise leaves alone.
        masking: how tokens are hidden, and from which vocabulary; None except for a masked language model.

    Attributes:
        epoch: whole passes over the rows so far; the trainer sets it.
        teacher_needs: what is looked at of the teacher.

    Raises:
        DoesNotFit: an objective needs tensors that one of the models can't give.
    """

    student: PreTrainedModel
    objectives: nn.ModuleDict

    def __init__(
        self,
        student: PreTrainedModel,
        objectives: Mapping[str, Objective],
        teacher: PreTrainedModel | None,
        noise: Noise | None = None,
        special_ids: Sequence[int] = (),
        masking: tuple[Vocabulary, Masking] | None = None,
    ) -> None:
        super().__init__()
        self.epoch = 0
        self._special_ids = tuple(special_ids)
        self.student = student
        self.objectives = nn.ModuleDict(objectives)
        self._student_needs = joined({LOGITS: None}, *(each.student_needs() for each in objectives.values()))
        self.teacher_needs = joined(*(each.teacher_needs() for each in objectives.values()))
        self._noise = noise if self.teacher_needs and masking is None else None  # its answers make a text teach
        self._masking = masking
        prepare(student, self._student_needs)
        student.requires_grad_(True)  # a teacher that is fine-tuned was frozen when it was last a teacher
        if teacher is not None:
            prepare(teacher, self.teacher_needs)
            teacher.eval().requires_grad_(False)
        object.__setattr__(self, "teacher", teacher)
        self.register_state_dict_post_hook(_leave_out_second_names)  # type: ignore[no-untyped-call]  # torch's
        self.register_load_state_dict_pre_hook(_restore_second_names)  # type: ignore[no-untyped-call]  # torch's

    @property
    def needs_teacher_logits_only(self) -> bool:
        """Whether the teacher's outputs can be replaced by its stored logits."""
        return self.teacher_needs.keys() == {LOGITS}

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        teacher_logits: Tensor | None = None,
        stored: dict[str, Any] | None = None,
    ) -> dict[str, Tensor]:
        """Return `loss` (weighted sum), `logits` [B, C] and, in training, each unweighted loss by name (and its share).

        Args:
            input_ids: [B, L].
            attention_mask: [B, L], 1 for real tokens.
            token_type_ids: [B, L] where the tokenizer gives them.
            labels: [B], class ids or values; -100 or NaN where a row has none.
            teacher_logits: [B, C], stored, and taken instead of the teacher's own where the text is as it was; spares
                the teacher's forward pass when all that is needed are logits.
            stored: all that is needed of the teacher, as fields of `Activations`, for texts as they were.
        """
        changed = None
        if self.training and self._noise is not None and self.epoch >= self._noise.clean_epochs:
            input_ids, changed = add_noise(input_ids, attention_mask, self._special_ids, self._noise)
            labels = _unlabelled(labels, changed)
        hidden = None
        if self._masking is not None:
            input_ids, labels = mask_tokens(input_ids, attention_mask, *self._masking)
            hidden = labels != IGNORED_LABEL
            labels = labels[hidden]
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        student = capture(self.student, inputs, self._student_needs, hidden)
        known = ({} if teacher_logits is None else {LOGITS: teacher_logits}) | (stored or {})
        teacher = self._ask_teacher(inputs, known, changed, hidden)
        values = {
            name: objective(student, teacher, attention_mask, labels) for name, objective in self.objectives.items()
        }
        loss = torch.stack([self._objective(name).weight * value for name, value in values.items()]).sum()
        result = {"loss": loss, "logits": student.logits}
        if self.training:
            beside = self.beside(inputs, student.logits)
            result["loss"] = loss + sum(beside.values())
            values |= beside
            result |= {name: value.detach() for name, value in values.items()}
            shares = {name: self._objective(name).share(labels) for name in self.objectives}
            result |= {f"{name}{SHARE}": share for name, share in shares.items() if share is not None}
        return result

    def beside(self, inputs: Mapping[str, Tensor], logits: Tensor) -> dict[str, Tensor]:
        """Return further losses by name, which count in training, given what the student answered [B, C]; none here."""
        del inputs, logits
        return {}

    def observe(self, inputs: Mapping[str, Tensor]) -> tuple[Activations, Activations]:
        """Return what the objectives compare, the student's and the teacher's, on texts as they are.

        Language models answer for the first token of each text alone, since their heads cost more than all the rest.
        """
        places = None
        if self._masking is not None:
            places = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
            places[:, 0] = True
        return capture(self.student, inputs, self._student_needs, places), self._teacher_activations(inputs, places)

    @torch.no_grad()
    def teacher_says(self, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return what is needed of the teacher on texts as they are, as `forward` takes it where it is stored."""
        said = self._teacher_activations(inputs)
        return {name: getattr(said, name) for name in self.teacher_needs}

    def go_to_layer(self, layer: int | None) -> None:
        """Let the layer-wise objectives be about one of the student's layers, from 0; None: about all."""
        for name in self.objectives:
            objective = self._objective(name)
            if isinstance(objective, Layerwise):
                objective.active = layer

    def _objective(self, name: str) -> Objective:
        objective = self.objectives[name]
        assert isinstance(objective, Objective)  # noqa: S101  (for type checkers: a ModuleDict's values are Modules)
        return objective

    def _ask_teacher(
        self, inputs: Mapping[str, Tensor], known: dict[str, Any], changed: Tensor | None, hidden: Tensor | None
    ) -> Activations | None:
        """Return what the teacher says; where all that is needed is known, it is asked about changed texts alone."""
        if not self.teacher_needs:
            return None
        if self.teacher_needs.keys() - known:
            return self._teacher_activations(inputs, hidden)
        stored = Activations(**({LOGITS: torch.empty(len(inputs["input_ids"]), 0)} | known))
        if changed is None or not changed.any():
            return stored
        live = self._teacher_activations({name: tensor[changed] for name, tensor in inputs.items()})
        return _exchanged(stored, changed, live)

    def _teacher_activations(self, inputs: Mapping[str, Tensor], hidden: Tensor | None = None) -> Activations:
        teacher: PreTrainedModel = self.__dict__["teacher"]
        if teacher.device != inputs["input_ids"].device:
            move(teacher, inputs["input_ids"].device)
        with torch.no_grad():
            return capture(teacher, inputs, self.teacher_needs, hidden)


def _leave_out_second_names(module: nn.Module, state: dict[str, Tensor], prefix: str, _: object) -> None:
    """Let a file hold each tensor once: a language model's decoder is its word embeddings."""
    for second in _second_names(module):
        state.pop(prefix + second, None)


def _restore_second_names(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    for second, first in _second_names(module).items():
        if prefix + first in state:
            state.setdefault(prefix + second, state[prefix + first])


def _second_names(module: nn.Module) -> dict[str, str]:
    """Return the further names of parameters that have several, with the first."""
    first: dict[int, str] = {}
    named = [(name, first.setdefault(id(p), name)) for name, p in module.named_parameters(remove_duplicate=False)]
    return {name: known for name, known in named if name != known}


def _exchanged(known: Activations, rows: Tensor, live: Activations) -> Activations:
    """Return activations of a batch with those of some rows [B] exchanged for others."""

    def merged(before: Tensor, after: Tensor) -> Tensor:
        return before.index_put((rows,), after.to(before.dtype)) if before.numel() else before

    found: dict[str, Any] = {"logits": merged(known.logits, live.logits)}
    for field in fields(known)[1:]:
        before, after = getattr(known, field.name), getattr(live, field.name)
        found[field.name] = before and {layer: merged(tensor, after[layer]) for layer, tensor in before.items()}
    return Activations(**found)


def _unlabelled(labels: Tensor | None, rows: Tensor) -> Tensor | None:
    """Return labels [B] with those of some rows [B] taken away."""
    if labels is None:
        return None
    return labels.masked_fill(rows, float("nan") if labels.is_floating_point() else IGNORED_LABEL)
