"""What is rounded, and how the ranges of activations are followed."""

from dataclasses import dataclass

from pocketbert.errors import UserError
from students.quantization import FULL_RANGE

DECAY = 0.9999


@dataclass(frozen=True)
class Settings:
    """Quantisation-aware training.

    Attributes:
        per_tensor: one scale a matrix and one for the whole word table, as in the paper; otherwise a scale for every
            output channel and every row, as exported files have.
        decay: of the moving average of max|x| of a layer's inputs. The paper's .9999 forgets in 10,000 batches; a
            training of a few hundred wants .99.
        largest_weight: the integer of a matrix's largest weight. 127 in the paper; 63 for files of 7 bits.
        embeddings: round the word embeddings, too.
    """

    per_tensor: bool = False
    decay: float = DECAY
    largest_weight: int = FULL_RANGE
    embeddings: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise UserError(f"decay {self.decay}: a moving average needs a number from 0 to below 1")
        if not 1 <= self.largest_weight <= FULL_RANGE:
            raise UserError(f"largest_weight {self.largest_weight}: int8 has 1 to {FULL_RANGE}")
