"""What one forward pass exposes to the objectives, and how it is collected.

`output_attentions=True` gives nothing under scaled-dot-product attention, and no implementation gives the
scores before the softmax that TinyBERT matches, nor the queries, keys and values of MiniLM. So an attention function
of our own is registered with transformers: it lets scaled-dot-product attention do the work and, while a collector
is open, also keeps what is wanted of each layer in the order of the calls.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (as everywhere)
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from pocketbert.errors import DoesNotFit

IMPLEMENTATION = "pocketbert"
LOGITS, HIDDEN_STATES, ATTENTION_SCORES = "logits", "hidden_states", "attention_scores"
QUERIES, KEYS, VALUES = "queries", "keys", "values"
OF_ATTENTION = frozenset({ATTENTION_SCORES, QUERIES, KEYS, VALUES})

Needs = Mapping[str, frozenset[int] | None]
"""What is wanted of a forward pass: names of fields of `Activations`, each with its layers; None for all of them."""


@dataclass
class _Collector:
    """Keeps what is wanted of each attention call; models call it once a layer, in their order."""

    needs: Needs
    calls: int = 0
    found: dict[str, dict[int, Tensor]] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        if name not in self.needs:
            return False
        layers = self.needs[name]
        return layers is None or self.calls in layers


_collector: ContextVar[_Collector | None] = ContextVar("of attention", default=None)


@dataclass(frozen=True)
class Activations:
    """The tensors of one forward pass; None = not collected.

    Attributes:
        logits: [B, C], [B, 1] for regression, or [N, C] for N hidden tokens.
        hidden_states: by number, the embeddings' output 0 and then each layer's from 1, each [B, L, H].
        attention_scores: by layer from 0, QK^T / sqrt(d) before mask and softmax, each [B, A, L, L].
        queries, keys, values: by layer from 0, each [B, A, L, D].
    """

    logits: Tensor
    hidden_states: Mapping[int, Tensor] | None = None
    attention_scores: Mapping[int, Tensor] | None = None
    queries: Mapping[int, Tensor] | None = None
    keys: Mapping[int, Tensor] | None = None
    values: Mapping[int, Tensor] | None = None

    def layers(self, name: str) -> Mapping[int, Tensor]:
        """Return the tensors under one of the names above, by layer.

        Raises:
            LookupError: they were not collected.
        """
        tensors: Mapping[int, Tensor] | None = getattr(self, name)
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
    collector = _collector.get()
    if collector is not None:
        for name, tensor in ((QUERIES, query), (KEYS, key), (VALUES, value)):
            if collector.wants(name):
                collector.found[name][collector.calls] = tensor
        scores = None
        if collector.wants(ATTENTION_SCORES):
            scores = torch.matmul(query * (query.shape[-1] ** -0.5 if scaling is None else scaling), key.mT)
            collector.found[ATTENTION_SCORES][collector.calls] = scores
        collector.calls += 1
        if scores is not None:
            return _attended(scores, value, attention_mask, options.get("dropout", 0.0)), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)


def _attended(scores: Tensor, value: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """Return attention [B, L, A, D] from its scores [B, A, L, L], which are there already; the mask is as sdpa's."""
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    probabilities = F.dropout(scores.softmax(-1), dropout, training=dropout > 0)
    return torch.matmul(probabilities, value).transpose(1, 2).contiguous()


AttentionInterface.register(IMPLEMENTATION, _attention)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


def joined(*needs: Needs) -> Needs:
    """Return what all of these want together."""
    names = dict.fromkeys(name for each in needs for name in each)
    wanted = {name: [each[name] for each in needs if name in each] for name in names}
    return {
        name: None if None in layers else frozenset[int]().union(*(some for some in layers if some is not None))
        for name, layers in wanted.items()
    }


def prepare(model: PreTrainedModel, needs: Needs) -> None:
    """Make a model able to give what is needed, and fast at it.

    Raises:
        DoesNotFit: its attention is code of its own, so that its scores can't be seen.
    """
    if model._can_set_attn_implementation():
        model.set_attn_implementation(IMPLEMENTATION)
    if needs.keys() & OF_ATTENTION and model.config._attn_implementation != IMPLEMENTATION:
        raise DoesNotFit(
            f"the attention of '{model.config.model_type}' models can't be read (it is code of its own): take a recipe "
            "without losses on attention, such as --recipe logits or --recipe distilbert."
        )


@contextmanager
def _collecting(needs: Needs) -> Iterator[dict[str, dict[int, Tensor]]]:
    collector = _Collector(needs, found={name: {} for name in needs if name in OF_ATTENTION})
    token = _collector.set(collector if collector.found else None)
    try:
        yield collector.found
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
    model: PreTrainedModel, inputs: Mapping[str, Tensor], needs: Needs, places: Tensor | None = None
) -> Activations:
    """Run the model once and return the tensors named in `needs` (the logits always).

    Args:
        model: a sequence classification or masked language model passed through `prepare` with the same needs.
        inputs: `input_ids` [B, L], `attention_mask` [B, L] and what else the model takes.
        needs: what is kept.
        places: of a language model, the N tokens to answer for, [B, L] of bool; its logits are [N, C] then, and the
            head, which costs more than a small encoder, reads no other tokens.
    """
    with _collecting(needs) as collected, _answering_at(model, places):
        output = model(**inputs, output_hidden_states=HIDDEN_STATES in needs, return_dict=True)
    states = None
    if HIDDEN_STATES in needs:
        wanted = needs[HIDDEN_STATES]
        states = {n: state for n, state in enumerate(output.hidden_states) if wanted is None or n in wanted}
    return Activations(
        logits=output.logits if places is None else output.logits.squeeze(0), hidden_states=states, **collected
    )
