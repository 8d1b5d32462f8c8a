"""What a phone may send: bounded in every part, and nothing else."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from benchmarks.phone.candidates import MOST_FILES
from benchmarks.phone.plan import LONGEST, MOST_LENGTHS, MOST_ROUNDS, MOST_THREADS, SCHEMA

INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode that steer a terminal or the direction of a text, or say nothing: controls, formats, the
unassigned, and ends of lines and paragraphs."""


def _visible(text: str) -> str:
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(mark) in INVISIBLE else mark for mark in text)


Text = Annotated[str, Field(max_length=400), AfterValidator(_visible)]
Name = Annotated[str, Field(max_length=400)]
"""Of a file; not made visible, since only names that the laptop gave are taken."""

Milliseconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
Sample = Annotated[float, Field(ge=1e-3, le=1e7, allow_inf_nan=False)]
"""Milliseconds of a call; no model is run in less than a microsecond."""

Count = Annotated[int, Field(ge=0, le=10**9)]
Number = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Device(_Part):
    """The phone, as its browser reports it."""

    user_agent: Text
    browser: Text
    platform: Text
    model: Text
    cores: Count
    memory_gb: Number | None
    gpu: Text
    screen: Text
    battery: Annotated[float, Field(ge=0, le=1)] | None
    charging: bool | None


class Context(_Part):
    """What the page has: a secure context, isolation (and with it threads), the timer's steps."""

    secure: bool
    isolated: bool
    timer_ms: Milliseconds
    hidden_seconds: Number
    provider: Literal["wasm", "webgpu"]
    runtime: Text


class Golden(_Part):
    """Answers to the golden sentences on the device."""

    texts: Count
    largest_difference: Number
    relative_difference: Number
    agreement: Annotated[float, Field(ge=-1, le=1)] | None


class File(_Part):
    """One file on the device: what it took to get and open, and whether it is right there."""

    name: Name
    fetch_ms: Milliseconds | None
    open_ms: Milliseconds | None
    first_ms: Milliseconds | None
    golden: Golden | None
    failed: Text | None


class Cell(_Part):
    """Samples of one file at one length and number of threads, a list a round."""

    name: Name
    length: Annotated[int, Field(ge=1, le=LONGEST)]
    threads: Annotated[int, Field(ge=1, le=64)]
    calls: Annotated[int, Field(ge=1, le=10**6)]
    samples_ms: Annotated[
        list[Annotated[list[Sample], Field(min_length=1, max_length=20)]],
        Field(min_length=1, max_length=MOST_ROUNDS),
    ]


class Minute(_Part):
    """One minute of the sustained run."""

    minute: Annotated[int, Field(ge=1, le=60)]
    calls: Count
    p50_ms: Sample
    p90_ms: Sample


class Sustained(_Part):
    """The sustained run."""

    name: Name
    length: Annotated[int, Field(ge=1, le=LONGEST)]
    threads: Annotated[int, Field(ge=1, le=64)]
    minutes: Annotated[list[Minute], Field(max_length=60)]


class Result(_Part):
    """All that a phone found, so far or in the end."""

    schema_version: Literal[SCHEMA] = Field(alias="schema")  # type: ignore[valid-type]  # a constant
    complete: bool
    seconds: Number
    batch: Annotated[int, Field(ge=1, le=10**4)]
    device: Device
    context: Context
    files: Annotated[list[File], Field(max_length=MOST_FILES)]
    cells: Annotated[list[Cell], Field(max_length=MOST_FILES * MOST_LENGTHS * MOST_THREADS)]
    sustained: Sustained | None
