"""Training a student layer by layer: which one is active, and how fast each learns meanwhile.

MobileBERT (Sun et al. 2020, arXiv:2004.02984), section 3.4, progressive knowledge transfer: the layers below the active
one are not frozen but learn at a tenth of the rate, as in the authors' code; those above do not learn yet.
"""

import re
from collections.abc import Callable

LAYER = re.compile(r"\.(?:layer|projections)\.(\d+)\.")
SETTLED = 0.1


def active_layer(step: int, steps: int, layers: int) -> int:
    """Return the layer, from 0, that is trained in a step, from 0: each has an equal share of the steps."""
    return min(layers - 1, step * layers // steps)


def layer_of(parameter: str) -> int | None:
    """Return the student's layer that a parameter belongs to by its name; None for heads.

    Embeddings are the first layer's, and a layer's projection is the layer's.
    """
    if ".embeddings" in parameter:
        return 0
    found = LAYER.search(parameter)
    return int(found[1]) if found else None


def rate(layer: int | None, active: int) -> float:
    """Return the share of the learning rate that a layer has while another one is active."""
    if layer is None or layer == active:
        return 1.0
    return SETTLED if layer < active else 0.0


def schedule(base: Callable[[int], float], layer: int | None, steps: int, layers: int) -> Callable[[int], float]:
    """Return the learning rate's factor of a layer at each step.

    Args:
        base: the factor of all.
        layer: of the parameters.
        steps: of the stage.
        layers: of the student.
    """
    return lambda step: base(step) * rate(layer, active_layer(min(step, steps - 1), steps, layers))
