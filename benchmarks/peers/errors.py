"""How far a version's answers to real sentences are from PyTorch's."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Error:
    """Two sets of logits of the same texts beside each other.

    Attributes:
        agreement: share of texts whose largest logit is the same.
        relative_difference: the root mean square of all differences, as a share of that of the expected logits.
        largest_difference: of any logit, as a share of the largest expected one.
    """

    agreement: float
    relative_difference: float
    largest_difference: float


def error(expected: Logits, actual: Logits) -> Error:
    """Compare logits [texts, classes]."""
    difference = actual - expected
    return Error(
        agreement=float((expected.argmax(1) == actual.argmax(1)).mean()),
        relative_difference=float(np.sqrt((difference**2).mean() / max((expected**2).mean(), 1e-24))),
        largest_difference=float(np.abs(difference).max() / max(np.abs(expected).max(), 1e-12)),
    )
