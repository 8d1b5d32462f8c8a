"""The students that a search may choose from: every point is valid by construction."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from nas.choosers import Asked
from nas.dimensions import Dimension, Value
from pocketbert.errors import UserError
from pocketbert.files import fingerprint
from students.architecture import ELECTRA, FAMILIES, VOCABULARY, StudentSpec

Point = dict[str, Value]
HEADS = "heads"
CONDITIONAL = " of "
"""In the name of a parameter whose values depend on those of another."""


class Chooser(Protocol):
    """What makes the choices: an Optuna trial, or anything with its two methods."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:  # noqa: ANN401  (as Optuna types it)
        """Return one of the choices."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return a number from low to high, in steps."""


@dataclass(frozen=True)
class FamilySpace:
    """The students of one family.

    Attributes:
        family: of `StudentSpec`.
        dimensions: what varies, or is fixed where it has one value; the width that heads divide comes before them.
        largest_head: heads wider than this are left out, since they can't be cut out of the teacher; None: no limit.
        smallest_head: heads narrower than this are left out.
    """

    family: str
    dimensions: tuple[Dimension, ...]
    largest_head: int | None = None
    smallest_head: int = 1

    def choices(self, dimension: Dimension, before: Mapping[str, Value]) -> tuple[Value, ...]:
        """Return a dimension's values that fit what is chosen already."""
        if dimension.name != HEADS:
            return dimension.choices
        width = int(before["bottleneck" if "bottleneck" in before else "hidden"])
        return tuple(heads for heads in dimension.choices if self._fits(width, int(heads)))

    def _fits(self, width: int, heads: int) -> bool:
        size, rest = divmod(width, heads)
        return not rest and self.smallest_head <= size and (self.largest_head is None or size <= self.largest_head)

    def without_dead_ends(self) -> "FamilySpace":
        """Return the space without widths that no number of heads fits."""
        heads = self._named(HEADS)
        name = self._width_name
        widths = self._named(name)
        alive = tuple(width for width in widths.choices if self.choices(heads, {name: width}))
        if not alive:
            raise UserError(
                f"the space has no student of the family {self.family}: none of heads="
                f"{','.join(map(str, heads.choices))} divides any of {name}={','.join(map(str, widths.choices))}"
                f" into heads of {self.smallest_head} to {self.largest_head or 'any number of'} values: widen one."
            )
        changed = tuple(replace(d, choices=alive) if d.name == name else d for d in self.dimensions)
        return replace(self, dimensions=changed)

    @property
    def _width_name(self) -> str:
        return "bottleneck" if any(d.name == "bottleneck" for d in self.dimensions) else "hidden"

    @property
    def widths(self) -> tuple[Value, ...]:
        """The widths that heads divide."""
        return self._named(self._width_name).choices

    def _named(self, name: str) -> Dimension:
        return next(d for d in self.dimensions if d.name == name)

    def suggest(self, chooser: Chooser, prefix: str = "") -> Point:
        """Let a chooser choose a point."""
        point: Point = {}
        for dimension in self.dimensions:
            allowed = replace(dimension, choices=self.choices(dimension, point))
            whole = len(allowed.choices) == len(dimension.choices)
            # Optuna wants the same values under the same name, and how many heads there may be depends on the width.
            name = dimension.name if whole else f"{dimension.name}{CONDITIONAL}{'|'.join(map(str, allowed.choices))}"
            point[dimension.name] = _suggest(chooser, f"{prefix}{name}", allowed)
        return point

    def points(self) -> Iterator[Point]:
        """Return every point, in order."""
        free = [d.choices for d in self.dimensions if d.name != HEADS]
        names = [d.name for d in self.dimensions if d.name != HEADS]
        for values in itertools.product(*free):
            point = dict(zip(names, values, strict=True))
            for heads in self.choices(self._named(HEADS), point):
                chosen = point | {HEADS: heads}
                yield {d.name: chosen[d.name] for d in self.dimensions}

    def count(self) -> int:
        """Return the number of points."""
        name = self._width_name
        with_heads = sum(len(self.choices(self._named(HEADS), {name: w})) for w in self._named(name).choices)
        return with_heads * math.prod(len(d.choices) for d in self.dimensions if d.name not in {HEADS, name})


def _suggest(chooser: Chooser, name: str, dimension: Dimension) -> Value:
    choices = dimension.choices
    if len(choices) == 1:
        return choices[0]
    if dimension.step is None:
        chosen: Value = chooser.suggest_categorical(name, choices)
        return chosen
    return chooser.suggest_int(name, int(choices[0]), int(choices[-1]), step=dimension.step)


@dataclass(frozen=True)
class SearchSpace:
    """The students of one family or several."""

    families: tuple[FamilySpace, ...]

    def suggest(self, chooser: Chooser) -> StudentSpec:
        """Let a chooser choose a student."""
        if len(self.families) == 1:
            return student(self.families[0].family, self.families[0].suggest(chooser))
        names = tuple(space.family for space in self.families)
        family = chooser.suggest_categorical("family", names)
        chosen = self.families[names.index(str(family))]
        return student(chosen.family, chosen.suggest(chooser, f"{family}: "))

    def parameters(self, spec: StudentSpec) -> dict[str, Value]:
        """Return a student's point as an Optuna study names it."""
        asked = Asked(spec, CONDITIONAL)
        self.suggest(asked)
        return asked.chosen

    def students(self) -> Iterator[StudentSpec]:
        """Return every student, in order."""
        return (student(space.family, point) for space in self.families for point in space.points())

    def count(self) -> int:
        """Return the number of students."""
        return sum(space.count() for space in self.families)

    def largest(self) -> StudentSpec:
        """Return the student that holds all others, as large in everything as any of them.

        Raises:
            UserError: there is none: several families, or heads whose number times size is not the width.
        """
        space = self._only()
        if space.family != ELECTRA and self.choices_of("embedding"):
            raise UserError("--strategy supernet: slices share one whole table: leave --space embedding out.")
        if self.choices_of("sharing"):
            raise UserError("--strategy supernet: slices have layers of their own: leave --space sharing out.")
        for name in ("embedding", VOCABULARY):
            choices = self.choices_of(name)
            if len(choices) > 1:
                raise UserError(
                    f"--strategy supernet: slices share one table, and the space has several sizes of {name}: give "
                    f"one, --space {name}={choices[-1]}."
                )
        heads = max(point[HEADS] for point in space.points())
        size = max(int(point["hidden"]) // int(point[HEADS]) for point in space.points())
        sizes = {d.name: max(d.choices) for d in space.dimensions}
        if int(heads) * size != sizes["hidden"]:
            raise UserError(
                f"--strategy supernet: the widest student has hidden={sizes['hidden']}, and the space's heads (up to "
                f"{heads}, of up to {size} values) do not make it up: restrict heads, or leave hidden up to the "
                "teacher's."
            )
        return student(space.family, sizes | {HEADS: heads})

    def smallest(self) -> StudentSpec:
        """Return the student that is smallest in everything but perhaps its number of heads."""
        space = self._only()
        sizes = {d.name: min(space.choices(d, {"hidden": min(space.widths)})) for d in space.dimensions}
        return student(space.family, sizes)

    def _only(self) -> FamilySpace:
        if len(self.families) > 1 or self.families[0].family not in FAMILIES:
            raise UserError(
                "--strategy supernet: slices are of one family, bert, roberta, electra or distilbert: say which with "
                "--space family=…, or take --strategy proxy."
            )
        return self.families[0]

    def choices_of(self, name: str) -> tuple[Value, ...]:
        """Return the values of a dimension in all families."""
        values = (d.choices for space in self.families for d in space.dimensions if d.name == name)
        return tuple(dict.fromkeys(itertools.chain.from_iterable(values)))

    def describe(self) -> list[str]:
        """Return a line for each family: what varies, and how many students that makes."""
        return [
            f"{space.family}: {'; '.join(_described(d) for d in space.dimensions)} ({space.count():,} students)"
            for space in self.families
        ]

    def key(self) -> str:
        """Return what stands for the students of the space."""
        limits = [[space.smallest_head, space.largest_head] for space in self.families]
        return fingerprint([self.document(), limits])

    def document(self) -> dict[str, dict[str, list[Value]]]:
        """Return the space as plain data, as YAML has it."""
        return {space.family: {d.name: list(d.choices) for d in space.dimensions} for space in self.families}


def _described(dimension: Dimension) -> str:
    choices = dimension.choices
    if dimension.step is not None and len(choices) > 3:
        steps = f" in steps of {dimension.step}" if dimension.step > 1 else ""
        return f"{dimension.name} {choices[0]} to {choices[-1]}{steps}"
    return f"{dimension.name} {', '.join(map(str, choices))}"


def student(family: str, point: Mapping[str, Value]) -> StudentSpec:
    """Return the student at a point; its name is what `--student` understands."""
    text = ",".join(f"{name}={value}" for name, value in {"family": family, **point}.items())
    return StudentSpec(name=text, family=family, **point)  # type: ignore[arg-type]  # checked by StudentSpec
