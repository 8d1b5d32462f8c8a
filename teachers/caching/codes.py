"""How numbers are kept: whole, half, or as int8 with a scale for each place."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from pocketbert.errors import UserError

SCALE = ".scale"
LARGEST = 127


class Code(ABC):
    """One way to keep numbers.

    Attributes:
        name: as the command line calls it.
    """

    name: ClassVar[str]

    @abstractmethod
    def bytes(self, width: int) -> int:
        """Return what one place of so many numbers takes."""

    @abstractmethod
    def encode(self, key: str, numbers: Tensor) -> dict[str, Tensor]:
        """Return what is written of numbers [places, width], by name in the file.

        Raises:
            UserError: they can't be kept so.
        """

    @abstractmethod
    def decode(self, key: str, written: dict[str, Tensor], index: Tensor) -> Tensor:
        """Return the numbers [*index, width] of places in float32."""

    def keys(self, key: str) -> tuple[str, ...]:
        """Return the names in the file."""
        return (key,)


class Plain(Code):
    """A type of torch's."""

    kind: ClassVar[torch.dtype]

    def bytes(self, width: int) -> int:
        """Return what one place takes."""
        return width * self.kind.itemsize

    def encode(self, key: str, numbers: Tensor) -> dict[str, Tensor]:
        """Return the numbers in this type."""
        kept = numbers.to(self.kind)
        if not torch.isfinite(kept).all():
            raise UserError(
                f"the teacher's {key} has numbers that {self.name} can't hold: take --cache-precision bf16 and "
                "another --out."
                if torch.isfinite(numbers).all()
                else f"the teacher's {key} is not a number somewhere: this teacher can't be distilled."
            )
        return {key: kept.contiguous()}

    def decode(self, key: str, written: dict[str, Tensor], index: Tensor) -> Tensor:
        """Return the chosen places."""
        found = written[key]
        numbers: Tensor = found.index_select(0, index.flatten()).float().unflatten(0, index.shape)
        return numbers


class Float32(Plain):
    """As it is."""

    name, kind = "fp32", torch.float32


class Float16(Plain):
    """11 bits of precision, up to 65504."""

    name, kind = "fp16", torch.float16


class BFloat16(Plain):
    """8 bits of precision, as large as float32."""

    name, kind = "bf16", torch.bfloat16


class Int8(Code):
    """Symmetric, with a scale for each place: 127 stands for its largest number."""

    name = "int8"

    def bytes(self, width: int) -> int:
        """Return what one place takes, its scale included."""
        return width + torch.float32.itemsize

    def keys(self, key: str) -> tuple[str, ...]:
        """Return the names in the file."""
        return key, key + SCALE

    def encode(self, key: str, numbers: Tensor) -> dict[str, Tensor]:
        """Return the numbers as int8 with their scales."""
        if not torch.isfinite(numbers).all():
            raise UserError(f"the teacher's {key} is not a number somewhere: this teacher can't be distilled.")
        scale = numbers.float().abs().amax(-1) / LARGEST
        small = (numbers / scale.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).round()
        return {key: small.to(torch.int8).contiguous(), key + SCALE: scale.contiguous()}

    def decode(self, key: str, written: dict[str, Tensor], index: Tensor) -> Tensor:
        """Return the chosen places, times their scales."""
        places = index.flatten()
        numbers = written[key].index_select(0, places).float()
        scaled: Tensor = (numbers * written[key + SCALE].index_select(0, places)[:, None]).unflatten(0, index.shape)
        return scaled


CODES: dict[str, Code] = {code.name: code for code in (Float16(), BFloat16(), Int8(), Float32())}
"""By name; the first is the default."""
