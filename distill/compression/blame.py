"""Names the layers of a refused model that change most of what it says."""

import copy

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from distill.compression.plan import QUANTISING, Step
from distill.compression.state import State
from distill.evaluation import distance, predict
from distill.preparation import Run
from pocketbert.sharing import holder_of
from students.rounded import with_rounded_weights

MOST_ROWS, NAMED = 256, 3


def blamed(run: Run, before: State, after: State, step: Step) -> str:
    """Return a sentence on the layers that are most to blame for what a step has changed; "" where none can be named.

    Each of the new model's layers is put into the old one in turn, and the answers are compared with the old one's.
    That needs layers that fit: as many of them, and of the same width between them. Of quantisation, it is the rounded
    weights that are looked at.

    Args:
        run: prepared.
        before: the model before the step.
        after: the model after it.
        step: that was carried out.
    """
    rounded = with_rounded_weights(after.model, after.precision, after.bits) if step.name in QUANTISING else after.model
    ours, theirs = layers_of(before.model), layers_of(rounded)
    if len(ours) != len(theirs) or before.model.config.hidden_size != after.model.config.hidden_size:
        return ""
    shares = sensitivities(run, before, theirs)
    if not shares.sum() > 0:
        return ""
    order = np.argsort(-shares)[:NAMED]
    named = ", ".join(f"layer {layer} ({100 * shares[layer] / shares.sum():.0f} %)" for layer in order)
    return f"Most to blame, of what single layers (from 0) change: {named}. "


def sensitivities(run: Run, before: State, theirs: nn.ModuleList) -> np.ndarray:
    """Return how far the answers move when one layer alone is exchanged, [layers].

    Args:
        run: prepared.
        before: the model whose layers are exchanged.
        theirs: other layers that fit in their places.
    """
    rows = before.reading.rows.evaluation
    rows = rows.select(range(min(MOST_ROWS, len(rows))))
    plain = predict(before.model, rows, before.reading.collator)
    found = []
    for number, layer in enumerate(theirs):
        mixed = copy.deepcopy(before.model)
        layers_of(mixed)[number] = copy.deepcopy(layer)
        found.append(distance(run.task, plain, predict(mixed, rows, before.reading.collator)))
    return np.array(found)


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """Return an encoder's layers, live; empty for a family that names them otherwise."""
    layers = getattr(holder_of(model), "layer", None)
    return layers if isinstance(layers, nn.ModuleList) else nn.ModuleList()
