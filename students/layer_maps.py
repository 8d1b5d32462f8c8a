"""Which teacher layer stands behind each student layer."""

from collections.abc import Callable, Sequence

from pocketbert.errors import DoesNotFit, unknown


def spread(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Return 0-based teacher layers from the first to the last, evenly: 12 -> 6 gives (0, 2, 4, 7, 9, 11).

    This is the set that DistilBERT was copied from (Sanh et al. 2019).
    """
    _check_depths(student_layers, teacher_layers)
    if student_layers == 1:
        return (0,)
    return tuple(round(i * (teacher_layers - 1) / (student_layers - 1)) for i in range(student_layers))


def uniform(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Return every k-th teacher layer, the last one included: 12 -> 4 gives (2, 5, 8, 11).

    For depths that divide, it is g(m) = 3m of TinyBERT (Jiao et al. 2020), counted from 0.
    """
    _check_depths(student_layers, teacher_layers)
    return tuple((i + 1) * teacher_layers // student_layers - 1 for i in range(student_layers))


def first(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Return the teacher's first layers."""
    _check_depths(student_layers, teacher_layers)
    return tuple(range(student_layers))


def last(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Return the teacher's last layers."""
    _check_depths(student_layers, teacher_layers)
    return tuple(range(teacher_layers - student_layers, teacher_layers))


LAYER_MAPS: dict[str, Callable[[int, int], tuple[int, ...]]] = {
    "spread": spread,
    "uniform": uniform,
    "first": first,
    "last": last,
}


def layer_map(layers: str | Sequence[int], student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Return 0-based teacher layers, one for each student layer.

    Args:
        layers: a name in `LAYER_MAPS`, or the teacher layers themselves.
        student_layers: how many the student has.
        teacher_layers: how many the teacher has.

    Raises:
        UserError: an unknown name.
        DoesNotFit: the student is deeper than the teacher, or an explicit list has the wrong length or a layer that
            the teacher lacks.
    """
    if isinstance(layers, str):
        if layers not in LAYER_MAPS:
            raise unknown("layer map", layers, LAYER_MAPS, "Or list the teacher's layers, one for each student layer.")
        return LAYER_MAPS[layers](student_layers, teacher_layers)
    _check_explicit(layers, student_layers, teacher_layers)
    return tuple(layers)


def _check_depths(student_layers: int, teacher_layers: int) -> None:
    if student_layers > teacher_layers:
        raise DoesNotFit(
            f"a student of {student_layers} layers is deeper than its teacher of {teacher_layers}: "
            f"ask for layers={teacher_layers} or fewer."
        )


def _check_explicit(layers: Sequence[int], student_layers: int, teacher_layers: int) -> None:
    if len(layers) != student_layers:
        raise DoesNotFit(
            f"the layer map {list(layers)} has {len(layers)} entries and the student {student_layers} layers: "
            "give one teacher layer for each student layer."
        )
    absent = [layer for layer in layers if not 0 <= layer < teacher_layers]
    if absent:
        raise DoesNotFit(
            f"the layer map {list(layers)} names layer {absent[0]}: the teacher has 0 to {teacher_layers - 1}."
        )
