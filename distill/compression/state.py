"""What a chain hands from one step to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transformers import PreTrainedModel

from distill.reading import Reading

FLOAT = "fp32"


@dataclass(frozen=True)
class State:
    """A model on its way.

    Attributes:
        model: in standard units, in evaluation mode.
        reading: the texts as it reads them.
        precision: of the file that it is shipped as.
        method: of taking fixed ranges from texts, of `students.exporting.ranges.METHODS`.
        ranges: largest inputs of its layers by name, where quantisation-aware training has learnt them.
        bits: 4 or 8 by layer, where the file has both.
        own_tokens: whether its tokenizer is another than the run's.
    """

    model: PreTrainedModel
    reading: Reading
    precision: str = FLOAT
    method: str = "smooth"
    ranges: Mapping[str, float] = field(default_factory=dict)
    bits: Mapping[str, int] = field(default_factory=dict)
    own_tokens: bool = False
