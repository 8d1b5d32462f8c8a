"""How far the answers of two models to the same texts are apart."""

from typing import TypedDict

import numpy as np
import numpy.typing as npt

from pocketbert.errors import UserError


class Parity(TypedDict):
    """How far two sets of logits are apart."""

    max_logit_difference: float
    mean_logit_difference: float
    agreement: float | None


def parity(reference: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> Parity:
    """Compare two sets of logits [texts, classes] for the same texts.

    Returns:
        The largest and the mean absolute difference, and the share of texts with the same class (None for
        one column: a regression has no classes).

    Raises:
        UserError: the shapes differ, or there is no text.
    """
    if reference.shape != other.shape or reference.ndim != 2 or not reference.size:
        raise UserError(f"logits of shapes {reference.shape} and {other.shape} cannot be compared")
    difference = np.abs(reference.astype(np.float64) - other)
    same = reference.argmax(axis=1) == other.argmax(axis=1)
    return Parity(
        max_logit_difference=float(difference.max()),
        mean_logit_difference=float(difference.mean()),
        agreement=float(same.mean()) if reference.shape[1] > 1 else None,
    )
