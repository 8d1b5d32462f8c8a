"""The space of a teacher's students, and what a user leaves of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from nas.dimensions import Dimension, Value, parse_choices
from nas.search_space import HEADS, FamilySpace, SearchSpace
from pocketbert.errors import UserError, unknown
from students.architecture import (
    ACTIVATION,
    ALL,
    ATTENTION,
    ELECTRA,
    FAMILIES,
    MOBILEBERT,
    MOST,
    MOST_OF_BOTTLENECKS,
    MOST_PIECES,
    NORMALIZATION,
    VOCABULARY,
    WORDS,
    Proportions,
)

FAMILY = "family"
EMBEDDING, SHARING = "embedding", "sharing"
SEARCHED = (*FAMILIES, MOBILEBERT)
WIDTHS = 16
"""A teacher's width is divided into so many steps: those of usual teachers then have several numbers of heads."""

SMALLEST_HEAD = 16


def default_space(family: str, teacher: Proportions, layers: int, pieces: tuple[int, ...] = ()) -> FamilySpace:
    """Return a family's students up to the size of a teacher.

    Args:
        family: bert, roberta, electra, distilbert or mobilebert.
        teacher: its widths.
        layers: its number of layers.
        pieces: sizes of vocabularies; () where students read the teacher's.
    """
    step = max(1, teacher.hidden // WIDTHS)
    inner = max(1, teacher.feed_forward // 12)
    if family == MOBILEBERT:
        return _with_vocabularies(_mobilebert(teacher, layers), pieces)
    tables = tuple(max(1, teacher.hidden // part) for part in (12, 6, 4, 3))
    space = FamilySpace(
        family,
        (
            Dimension("layers", tuple(range(1, layers + 1))),
            Dimension("hidden", tuple(range(WIDTHS // 4 * step, teacher.hidden + 1, step))),
            Dimension(HEADS, tuple(range(1, teacher.heads + 1))),
            Dimension("feed_forward", tuple(range(inner, teacher.feed_forward + 1, inner))),
            *([Dimension("embedding", tables)] if family == ELECTRA else []),
        ),
        largest_head=teacher.largest_head,
        smallest_head=min(SMALLEST_HEAD, teacher.largest_head),
    )
    return _with_vocabularies(space, pieces)


def _with_vocabularies(space: FamilySpace, pieces: tuple[int, ...]) -> FamilySpace:
    return replace(space, dimensions=(*space.dimensions, *([Dimension(VOCABULARY, pieces)] if pieces else [])))


def _with_embedding(space: FamilySpace) -> FamilySpace:
    """Return a space with the table's width among its dimensions; its values are the user's."""
    if EMBEDDING in {d.name for d in space.dimensions}:
        return space
    return replace(space, dimensions=(*space.dimensions, Dimension(EMBEDDING, (1,))))


def _with_sharing(space: FamilySpace) -> FamilySpace:
    """Return a space with groups of layers that share weights among its dimensions; their sizes are the user's."""
    if space.family not in FAMILIES:
        return space
    return replace(space, dimensions=(*space.dimensions, Dimension(SHARING, (ALL,))))


def _mobilebert(teacher: Proportions, layers: int) -> FamilySpace:
    """Return MobileBERTs of the teacher's width, whose state can then be compared with the teacher's."""
    narrow = max(1, teacher.hidden // 12)
    return FamilySpace(
        MOBILEBERT,
        (
            Dimension("layers", tuple(range(2, 2 * layers + 1))),
            Dimension("hidden", (teacher.hidden,)),
            Dimension("bottleneck", tuple(range(2 * narrow, 6 * narrow + 1, narrow))),
            Dimension("embedding", (teacher.hidden // 4, teacher.hidden // 3)),
            Dimension(HEADS, (1, 2, 4, 8)),
            Dimension("feed_forward", tuple(range(4 * narrow, 16 * narrow + 1, 2 * narrow))),
            Dimension("feed_forwards", (1, 2, 3, 4)),
            Dimension("attention", ATTENTION[:2]),
            Dimension("normalization", NORMALIZATION),
            Dimension("activation", ACTIVATION),
        ),
        smallest_head=min(SMALLEST_HEAD, 2 * narrow),
    )


def parse_space(
    texts: Sequence[str],
    document: Mapping[str, Any],
    teacher: Proportions,
    layers: int,
    family: str,
    pieces: tuple[int, ...] = (),
) -> SearchSpace:
    """Return the default space, restricted by what a user wrote.

    Args:
        texts: "layers=2..4" or "hidden=128,256" from the command line; they win over the document.
        document: the same from a YAML file, by name.
        teacher: its widths.
        layers: its number of layers.
        family: of the students, unless "family=…" is given.
        pieces: sizes of vocabularies, unless "vocabulary=…" is given; () where the teacher's can't be trimmed.

    Raises:
        UserError: an unknown dimension (with near matches), a value that is none, or no student left.
    """
    given = dict(document) | assignments(texts)
    families = parse_choices(FAMILY, given.pop(FAMILY, family))
    for name in families:
        if name not in SEARCHED:
            raise unknown("family of the space", str(name), SEARCHED)
    varied = pieces if len(pieces) > 1 or VOCABULARY in given else ()
    spaces = [default_space(str(name), teacher, layers, varied) for name in families]
    if EMBEDDING in given:  # whole tables unless asked for
        spaces = [_with_embedding(space) for space in spaces]
    if SHARING in given:
        spaces = [_with_sharing(space) for space in spaces]
    known = list(dict.fromkeys(d.name for space in spaces for d in space.dimensions))
    for name in given:
        if name not in known:
            raise _unknown(name, [*known, *[VOCABULARY] * bool(pieces), FAMILY], families, teacher, layers)
    restricted = tuple(_restricted(space, given).without_dead_ends() for space in spaces)
    for space in restricted:
        _check_embedding(space)
        _check_sharing(space)
    return SearchSpace(restricted)


def _check_embedding(space: FamilySpace) -> None:
    """Refuse tables wider than some of the students: every point of a space is a student."""
    values = {
        d.name: [int(choice) for choice in d.choices] for d in space.dimensions if d.name in {EMBEDDING, "hidden"}
    }
    widest, narrowest = max(values.get(EMBEDDING, [0])), min(values["hidden"])
    if space.family in FAMILIES and space.family != ELECTRA and widest > narrowest:
        raise UserError(
            f"the space's embedding={widest} is wider than its hidden={narrowest} (family {space.family}): leave wide "
            f"tables out, or narrow students, as in --space hidden={widest}."
        )


def _check_sharing(space: FamilySpace) -> None:
    """Refuse groups of more layers than some of the students have: every point of a space is a student."""
    choices = {d.name: d.choices for d in space.dimensions}
    largest = max((int(size) for size in choices.get(SHARING, ()) if size != ALL), default=0)
    shallowest = min(int(layers) for layers in choices["layers"])
    if largest > shallowest:
        raise UserError(
            f"the space's sharing={largest} is more than its layers={shallowest}: leave large groups out, or shallow "
            f"students, as in --space layers={largest}, or write sharing=all."
        )


def _unknown(
    name: str, known: Sequence[str], families: Sequence[Value], teacher: Proportions, layers: int
) -> UserError:
    others = [
        family for family in SEARCHED if name in {d.name for d in default_space(family, teacher, layers).dimensions}
    ]
    if others:
        return UserError(
            f"the space's {name} is of the family {' or '.join(others)}, and the students are "
            f"{', '.join(map(str, families))}: add --space family={others[0]}."
        )
    return unknown("dimension of the space", name, known, f"(family {', '.join(map(str, families))})")


def read_document(path: Path) -> dict[str, Any]:
    """Read a space from a YAML file: a mapping of dimensions to values.

    Raises:
        UserError: it can't be read, or is no mapping.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: the space can't be read ({' '.join(str(error).split())[:120]}).") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: a space is a mapping, such as layers: [2, 3, 4] on one line and hidden: 96..384/24.")
    return {str(name): value for name, value in document.items()}


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """Return what "layers=2..4" and the like say, by name.

    Raises:
        UserError: a text is no assignment.
    """
    pairs = [text.partition("=") for text in texts]
    for text, (name, equals, value) in zip(texts, pairs, strict=True):
        if not (name.strip() and equals and value.strip()):
            raise UserError(f"--space {text}: write it as name=values, such as layers=2..4 or hidden=128,256.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _restricted(space: FamilySpace, given: Mapping[str, Any]) -> FamilySpace:
    dimensions = tuple(
        Dimension(d.name, _checked(d.name, parse_choices(d.name, given[d.name]))) if d.name in given else d
        for d in space.dimensions
    )
    if HEADS in given:  # who names heads takes those that can't be cut out of the teacher, too
        return replace(space, dimensions=dimensions, largest_head=None, smallest_head=1)
    return replace(space, dimensions=dimensions)


def _checked(name: str, choices: tuple[int | str, ...]) -> tuple[int | str, ...]:
    if name in WORDS:
        for choice in choices:
            if choice not in WORDS[name]:
                raise unknown(f"student {name}", str(choice), WORDS[name])
        return tuple(sorted(choices, key=lambda choice: WORDS[name].index(str(choice))))
    if name == SHARING:
        return tuple(_group(choice) for choice in choices)
    most = (MOST | MOST_OF_BOTTLENECKS | {VOCABULARY: MOST_PIECES})[name]
    for choice in choices:
        if not isinstance(choice, int):
            raise UserError(f"the space's {name}={choice} is no whole number: write {name}=2,3,4 or {name}=2..6.")
        if not 1 <= choice <= most:
            raise UserError(f"the space's {name}={choice} must be from 1 to {most:,}.")
    return choices


def _group(choice: int | str) -> str:
    """Return how many layers share their weights, as a student's field has it."""
    if choice != ALL and (not isinstance(choice, int) or choice < 1):
        raise UserError(f"the space's sharing={choice} is none: write sharing=1,2,3 or sharing=all.")
    return str(choice)
