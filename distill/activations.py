"""What one forward pass exposes to the objectives, and how it is collected.

`output_attentions=True` gives nothing under scaled-dot-product attention, and no implementation gives the
scores before the softmax that TinyBERT matches, nor the queries, keys and values of MiniLM. So an attention function
of our own is registered with transformers: it lets scaled-dot-product attention do the work and, while a collector
is open, also keeps what is wanted of each layer in the order of the calls.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from pocketbert.errors import DoesNotFit

IMPLEMENTATION = "pocketbert"
LOGITS, HIDDEN_STATES, ATTENTION_SCORES = "logits", "hidden_states", "attention_scores"
QUERIES, KEYS, VALUES = "queries", "keys", "values"
OF_ATTENTION = frozenset({ATTENTION_SCORES, QUERIES, KEYS, VALUES})

_collector: ContextVar[dict[str, list[Tensor]] | None] = ContextVar("of attention", default=None)


@dataclass(frozen=True)
class Activations:
    """The tensors of one forward pass; None = not collected.

    Attributes:
        logits: [B, C], [B, 1] for regression, or [N, C] for N hidden tokens.
        hidden_states: the embeddings' output and then each layer's, each [B, L, H].
        attention_scores: per layer QK^T / sqrt(d) before mask and softmax, each [B, A, L, L].
        queries, keys, values: per layer, each [B, A, L, D].
    """

    logits: Tensor
    hidden_states: tuple[Tensor, ...] | None = None
    attention_scores: tuple[Tensor, ...] | None = None
    queries: tuple[Tensor, ...] | None = None
    keys: tuple[Tensor, ...] | None = None
    values: tuple[Tensor, ...] | None = None

    def layers(self, name: str) -> tuple[Tensor, ...]:
        """Return the tensors of all layers under one of the names above.

        Raises:
            LookupError: they were not collected.
        """
        tensors: tuple[Tensor, ...] | None = getattr(self, name)
        if tensors is None:
            raise LookupError(f"{name} were not collected: name them in the objective's needs")
        return tensors


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,  # noqa: ANN401  (whatever a family's attention is called with)
) -> tuple[Tensor, None]:
    if query.dtype == torch.bfloat16 and query.device.type == "cpu":
        # A processor's backward pass of attention takes 15 times as long in bfloat16, nearly half of a step.
        if attention_mask is not None and attention_mask.is_floating_point():
            attention_mask = attention_mask.float()
        with torch.autocast("cpu", enabled=False):
            wide = query.float(), key.float(), value.float()
            output, _ = _attention(module, *wide, attention_mask, scaling, **options)
        return output.to(query.dtype), None
    collector = _collector.get() or {}
    if ATTENTION_SCORES in collector:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        collector[ATTENTION_SCORES].append(torch.matmul(query, key.transpose(-1, -2)) * scale)
    for name, tensor in ((QUERIES, query), (KEYS, key), (VALUES, value)):
        if name in collector:
            collector[name].append(tensor)
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)


AttentionInterface.register(IMPLEMENTATION, _attention)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


def prepare(model: PreTrainedModel, needs: frozenset[str]) -> None:
    """Make a model able to give what is needed, and fast at it.

    Raises:
        DoesNotFit: its attention is code of its own, so that its scores can't be seen.
    """
    if model._can_set_attn_implementation():
        model.set_attn_implementation(IMPLEMENTATION)
    if needs & OF_ATTENTION and model.config._attn_implementation != IMPLEMENTATION:
        raise DoesNotFit(
            f"the attention of '{model.config.model_type}' models can't be read (it is code of its own): take a recipe "
            "without losses on attention, such as --recipe logits or --recipe distilbert."
        )


@contextmanager
def _collecting(wanted: frozenset[str]) -> Iterator[dict[str, list[Tensor]]]:
    collected: dict[str, list[Tensor]] = {name: [] for name in wanted}
    token = _collector.set(collected)
    try:
        yield collected
    finally:
        _collector.reset(token)


@contextmanager
def _answering_at(model: PreTrainedModel, places: Tensor | None) -> Iterator[None]:
    """Let a model's head read the last hidden state at these places alone, [B, L] of bool; None: as it does."""
    if places is None:
        yield
        return

    def select(_encoder: nn.Module, _inputs: object, output: Any) -> None:  # noqa: ANN401  (a ModelOutput of any family)
        output.last_hidden_state = output.last_hidden_state[places].unsqueeze(0)

    handle = model.base_model.register_forward_hook(select)
    try:
        yield
    finally:
        handle.remove()


def capture(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], needs: frozenset[str], places: Tensor | None = None
) -> Activations:
    """Run the model once and return the tensors named in `needs` (the logits always).

    Args:
        model: a sequence classification or masked language model passed through `prepare` with the same needs.
        inputs: `input_ids` [B, L], `attention_mask` [B, L] and what else the model takes.
        needs: names of fields of `Activations`.
        places: of a language model, the N tokens to answer for, [B, L] of bool; its logits are [N, C] then, and the
            head, which costs more than a small encoder, reads no other tokens.
    """
    with _collecting(needs & OF_ATTENTION) as collected, _answering_at(model, places):
        output = model(**inputs, output_hidden_states=HIDDEN_STATES in needs, return_dict=True)
    return Activations(
        logits=output.logits if places is None else output.logits.squeeze(0),
        hidden_states=tuple(output.hidden_states) if HIDDEN_STATES in needs else None,
        **{name: tuple(tensors) for name, tensors in collected.items()},
    )
