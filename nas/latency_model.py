"""Predicts a student's latency on one device from its sizes, fitted to files measured there.

A sum over what an encoder does, each part with a cost of its own: multiply-adds of the attention's and of the
feed-forward's products, values that norms and activations touch, the attention's matrix, a cost for each layer and one
for all. The costs are at least 0 and fitted to relative errors (non-negative least squares), one set a family.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from nas.footprint import Setting
from pocketbert.errors import UserError
from pocketbert.files import read_json, write_json
from students.architecture import BOTTLENECKS
from students.spec import StudentSpec, parse_student

SCHEMA = 2


@dataclass(frozen=True)
class Timing:
    """A student and the milliseconds that a call of its file took."""

    student: str
    milliseconds: float


@dataclass(frozen=True)
class Errors:
    """Relative errors on students that a model was not fitted to.

    Attributes:
        median, worst: as shares of the measured latency.
        students: how many.
    """

    median: float
    worst: float
    students: int


@dataclass(frozen=True)
class LatencyModel:
    """What a student costs on a device.

    Attributes:
        device: its name.
        length, batch, threads: what it was measured at.
        costs: milliseconds of each part, by family.
        errors: on unseen students; None where none were left over.
        environment: processor, runtime and the like.
        timings: what it was fitted to.
    """

    device: str
    length: int
    batch: int
    threads: int
    costs: dict[str, dict[str, float]]
    errors: Errors | None
    environment: dict[str, Any]
    timings: tuple[Timing, ...]

    @classmethod
    def fitted(
        cls,
        device: str,
        setting: Setting,
        timings: Sequence[Timing],
        unseen: Sequence[Timing],
        environment: dict[str, Any],
    ) -> "LatencyModel":
        """Fit a model to timings, and say how far it is off on others.

        Raises:
            UserError: fewer timings of a family than parts.
        """
        costs = {}
        check_enough([parse_student(timing.student) for timing in timings])
        students = [(parse_student(timing.student), timing.milliseconds) for timing in timings]
        for family in dict.fromkeys(spec.family for spec, _ in students):
            costs[family] = _fit([(spec, ms) for spec, ms in students if spec.family == family], setting)
        model = cls(device, setting.length, setting.batch, setting.threads, costs, None, environment, tuple(timings))
        off = [abs(model.predict(parse_student(t.student)) / t.milliseconds - 1) for t in unseen]
        errors = Errors(float(np.median(off)), max(off), len(off)) if off else None
        return cls(**vars(model) | {"errors": errors})

    def predict(self, spec: StudentSpec) -> float:
        """Return the milliseconds of a call.

        Raises:
            UserError: the model has seen no student of this family.
        """
        if spec.family not in self.costs:
            raise UserError(
                f"the latency model of {self.device} knows the families {', '.join(self.costs)}, and a student is "
                f"{spec.family}: fit one with such students, or leave the family out of the space."
            )
        costs = self.costs[spec.family]
        return sum(costs[name] * amount for name, amount in parts(spec, self.length, self.batch).items())

    def save(self, path: Path) -> None:
        """Write the model as JSON."""
        write_json(path, {"schema": SCHEMA} | asdict(self))

    @classmethod
    def load(cls, path: Path, setting: Setting | None = None) -> "LatencyModel":
        """Read a model.

        Args:
            path: as `save` wrote it.
            setting: that it must have been measured at; None: any.

        Raises:
            UserError: no such file, no latency model, or one of another setting.
        """
        try:
            document = read_json(path)
            known = set(parts(StudentSpec("any", 1, 1, 1, 1), 1))
            if document.pop("schema") != SCHEMA or any(set(costs) != known for costs in document["costs"].values()):
                raise UserError(f"{path} was written by another version: fit it again with python -m nas.latency.")
            errors = document.pop("errors")
            timings = tuple(Timing(**timing) for timing in document.pop("timings"))
            model = cls(**document, errors=None if errors is None else Errors(**errors), timings=timings)
        except OSError as error:
            raise UserError(f"--device {path} can't be read ({error.strerror}).") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f"--device {path} is no latency model: python -m nas.latency writes one.") from None
        if setting is not None:
            model.check(setting)
        return model

    def check(self, setting: Setting) -> None:
        """Raise UserError unless the model was measured at a setting."""
        for name in ("length", "batch", "threads"):
            ours, asked = getattr(self, name), getattr(setting, name)
            if ours != asked:
                raise UserError(
                    f"the latency model of {self.device} was measured at {name} {ours}, and {asked} is asked for: give "
                    f"--{name} {ours}, or fit another."
                )


def parts(spec: StudentSpec, length: int, batch: int = 1) -> dict[str, float]:
    """Return how much of each part a student has, in millions where it counts single values.

    Args:
        spec: of a family whose sizes are known.
        length: tokens a text.
        batch: texts a call.
    """
    tokens, layers, inner = length * batch / 1e6, spec.layers, spec.inner
    ends = spec.hidden * inner * (4 if spec.has_bottleneck else 0)
    blocks = spec.feed_forwards if spec.family in BOTTLENECKS else 1
    return {
        "call": 1.0,
        "layer": float(layers),
        "embeddings": tokens * spec.hidden,
        "embedding products": tokens * spec.hidden * spec.embedding,
        "attention products": tokens * layers * (4 * inner * inner + ends),
        "feed-forward products": tokens * layers * blocks * 2 * inner * spec.feed_forward,
        "norms": tokens * layers * (spec.hidden + blocks * inner),
        "activations": tokens * layers * blocks * spec.feed_forward,
        "gelu": tokens * layers * blocks * spec.feed_forward * (spec.activation == "gelu"),
        "layer norms": tokens * layers * (spec.hidden + blocks * inner) * (spec.normalization == "layer_norm"),
        "attention matrix": tokens * length * layers * inner,
        "attention rows": tokens * length * layers * spec.heads,
    }


def products(spec: StudentSpec) -> float:
    """Return a student's multiply-adds for each token, in millions."""
    return sum(amount for name, amount in parts(spec, 1).items() if name.endswith("products"))


def weights(spec: StudentSpec) -> float:
    """Return how many weights a student's file has, in millions, without tables: what layers share is there once."""
    found = parts(spec, 1)
    own = math.ceil(spec.layers / spec.group) / spec.layers
    of_layers = found["attention products"] + found["feed-forward products"]
    return found["embedding products"] + own * of_layers


def check_enough(specs: Sequence[StudentSpec]) -> None:
    """Check that a model can be fitted to these students.

    Raises:
        UserError: of a family there are fewer than it has costs.
    """
    for family in dict.fromkeys(spec.family for spec in specs):
        rows = [parts(spec, 1) for spec in specs if spec.family == family]
        needed = sum(any(row[name] for row in rows) for name in rows[0])
        if len(rows) < needed:
            raise UserError(
                f"{len(rows)} students of the family {family} are too few for {needed} costs: more --students."
            )


def _fit(timings: Sequence[tuple[StudentSpec, float]], setting: Setting) -> dict[str, float]:
    rows = [parts(spec, setting.length, setting.batch) for spec, _ in timings]
    names = list(rows[0])
    amounts = np.array([[row[name] for name in names] for row in rows])
    measured = np.array([milliseconds for _, milliseconds in timings])
    scale = np.maximum(amounts.max(0), 1e-12)
    costs, _ = nnls(amounts / scale / measured[:, None], np.ones(len(rows)))
    return dict(zip(names, (costs / scale).tolist(), strict=True))
