"""What a search wants: objectives, and limits that a student must keep."""

from typing import Annotated, Literal

from optuna.study import StudyDirection
from pydantic import Field

from nas.footprint import Footprint
from pocketbert.validation import Document

Name = Literal["quality", "latency", "size", "memory"]
UNITS = {"quality": "", "latency": " ms", "size": " MB", "memory": " MB"}
COSTS = {"latency": "latency_ms", "size": "size_mb", "memory": "memory_mb"}
"""Fields of a footprint."""

Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Goals(Document):
    """Objectives and limits.

    Attributes:
        objectives: quality is to be large, all others small.
        max_latency_ms: of the exported int8 file.
        max_size_mb: of that file, in 10^6 bytes.
        max_memory_mb: of running it, in 10^6 bytes.
        min_retention: the student's metric as a share of its teacher's, where the search measures it: after the short
            distillation, or as a slice.
    """

    objectives: Annotated[tuple[Name, ...], Field(min_length=1)] = ("quality", "latency")
    max_latency_ms: Limit | None = None
    max_size_mb: Limit | None = None
    max_memory_mb: Limit | None = None
    min_retention: Annotated[float, Field(gt=0, le=2)] | None = None

    @property
    def directions(self) -> list[StudyDirection]:
        """Optuna's direction of each objective."""
        up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
        return [up if name == "quality" else down for name in self.objectives]

    @property
    def first_cost(self) -> Name:
        """The first objective that is a cost; latency without any."""
        return next((name for name in self.objectives if name != "quality"), "latency")

    def limit(self, cost: str) -> float | None:
        """Return the limit on a cost."""
        limits = {"latency": self.max_latency_ms, "size": self.max_size_mb, "memory": self.max_memory_mb}
        return limits[cost]

    @property
    def needs_memory(self) -> bool:
        """Whether the peak memory is to be measured."""
        return "memory" in self.objectives or self.max_memory_mb is not None

    @property
    def weighs_tables(self) -> bool:
        """Whether it matters how large a student's vocabulary is, which no latency tells."""
        named = {"size", "memory"} & set(self.objectives)
        return bool(named) or self.max_size_mb is not None or self.max_memory_mb is not None

    @property
    def limits_costs(self) -> bool:
        """Whether latency, size or memory has a limit."""
        return any(limit is not None for limit in (self.max_latency_ms, self.max_size_mb, self.max_memory_mb))

    def violations(self, footprint: Footprint) -> dict[str, float]:
        """Return for each limit on costs by how much of it a footprint is above; 0 or less is within."""
        found = {}
        for name, field in COSTS.items():
            value, limit = getattr(footprint, field), self.limit(name)
            if limit is not None and value is not None:
                found[name] = value / limit - 1
        return found

    def breaks(self, footprint: Footprint) -> bool:
        """Tell whether a footprint is above a limit."""
        return any(violation > 0 for violation in self.violations(footprint).values())

    def least(self, floor: float, teacher: float) -> float:
        """Return the metric up to which a student is of no use: a constant answer's, or the limit on retention."""
        return max(floor, (self.min_retention or 0.0) * teacher)

    def lost(self, quality: float, teacher: float) -> float | None:
        """Return by how much a metric is below the limit, as a share of the teacher's; None without a limit."""
        if self.min_retention is None:
            return None
        return self.min_retention - quality / teacher if teacher > 0 else float(quality < teacher)

    def values(self, quality: float, footprint: Footprint) -> tuple[float, ...]:
        """Return the objectives' values in their order."""
        return tuple(quality if name == "quality" else cost_of(footprint, name) for name in self.objectives)

    def as_costs(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Return values of which all are to be small."""
        return tuple(
            -value if name == "quality" else value for name, value in zip(self.objectives, values, strict=True)
        )


def cost_of(footprint: Footprint, name: str) -> float:
    """Return one of a footprint's costs; 0 of what was not measured."""
    return float(getattr(footprint, COSTS[name]) or 0.0)
