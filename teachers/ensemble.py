"""Several teachers that answer as one: the average of what each says.

Paper: Hinton, Vinyals, Dean 2015, arXiv:1503.02531, section 1: the cumbersome model may be an ensemble, and the
arithmetic mean of its members' distributions makes the soft targets. Members may have a weight each. The mean is taken
at temperature 1 and softened then; softening each member first would give slightly other targets.

A regression's values are averaged themselves. Losses on hidden states and attention see the first member alone.
"""

import inspect
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


def average(logits: Sequence[Tensor], weights: Sequence[float], *, regression: bool) -> Tensor:
    """Return logits [..., C] of the weighted mean of the members' distributions, or the mean of their values.

    Args:
        logits: of each member, [..., C].
        weights: of each member, of any sum.
        regression: whether the logits are values.
    """
    shares = torch.tensor(weights, dtype=logits[0].dtype, device=logits[0].device)
    shares = shares / shares.sum()
    stacked = torch.stack(list(logits))
    if regression:
        return torch.einsum("m,m...->...", shares, stacked)
    weighted = stacked.log_softmax(-1) + shares.log().view(-1, *[1] * (stacked.dim() - 1))
    return weighted.logsumexp(0)


class Ensemble(PreTrainedModel):
    """Sequence classifiers of the same labels and tokens, whose answers are averaged.

    Args:
        members: the first gives hidden states and attention, and its configuration stands for all.
        weights: of each member's answer.
    """

    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, members: Sequence[PreTrainedModel], weights: Sequence[float]) -> None:
        super().__init__(members[0].config)
        self.members = nn.ModuleList(members)
        self.weights = tuple(weights)
        self._inputs = [frozenset(inspect.signature(member.forward).parameters) for member in members]

    @property
    def first(self) -> PreTrainedModel:
        """The member that is seen from inside."""
        return cast("PreTrainedModel", self.members[0])

    def forward(self, **inputs: Any) -> SequenceClassifierOutput:  # noqa: ANN401  (what the members take)
        """Return the first member's outputs with everyone's logits [B, C]."""
        options = {name: inputs.pop(name) for name in ("output_hidden_states", "return_dict") if name in inputs}
        given = [{name: inputs[name] for name in inputs if name in names} for names in self._inputs]
        output: SequenceClassifierOutput = self.first(**given[0], **options)
        logits = [
            output.logits,
            *(member(**kept).logits for member, kept in zip(self.members[1:], given[1:], strict=True)),
        ]
        output.logits = average(logits, self.weights, regression=self.config.problem_type == "regression")
        return output

    def set_attn_implementation(
        self,
        attn_implementation: Any,  # noqa: ANN401  (transformers takes a name or a mapping, and says neither)
        *args: Any,  # noqa: ANN401  (handed on)
        **options: Any,  # noqa: ANN401  (handed on)
    ) -> None:
        """Set the first member's, whose attention is the one that is looked at."""
        self.first.set_attn_implementation(attn_implementation, *args, **options)

    def _can_set_attn_implementation(self) -> bool:  # type: ignore[override]  # a class's there, a member's here
        return bool(self.first._can_set_attn_implementation())
