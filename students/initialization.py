"""The weights that a student starts from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit, UserError, unknown
from students.anatomy import Anatomy, anatomy
from students.architecture import BOTTLENECKS
from students.copying import check_copy, copy
from students.cutting import check_cut, cut
from students.forward import texts_of
from students.layer_maps import layer_map
from students.principal import check_principal, principal
from students.sharing import is_shared, take_over, unshared

METHODS = ("auto", "copy", "cut", "pca", "random")


@dataclass(frozen=True)
class Initialisation:
    """What a student started from.

    Attributes:
        method: copy, cut, pca or random.
        description: one line, with the reason where the method was chosen for the user.
        layers: the teacher's layer (from 0) behind each of the student's; () where the layers are random.
    """

    method: str
    description: str
    layers: tuple[int, ...]


def initialise(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    batches: Sequence[Mapping[str, Tensor]],
    method: str = "auto",
    layers: str | Sequence[int] = "spread",
) -> Initialisation:
    """Give the student its starting weights, in place.

    Args:
        student: as `build_student` returns it, with random weights.
        teacher: fine-tuned, in evaluation mode, on the same device.
        batches: `input_ids`, `attention_mask` and perhaps `token_type_ids` of real text, right-padded, [B, L].
        method: "copy" takes whole layers over and needs equal widths; "cut" keeps the strongest dimensions, heads and
            neurons of the teacher and repairs what is lost; "pca" projects the embeddings and leaves the layers random;
            "random"; "auto" takes the best of these that fits, see `choose`.
        layers: which teacher layers, see `layer_map`.

    Raises:
        UserError: an unknown method, or "cut" without text.
        DoesNotFit: the method does not work for these two models.
    """
    if method not in METHODS:
        raise unknown("initialisation", method, METHODS)
    if is_shared(student.config):
        whole = unshared(student)
        start = initialise(whole, teacher, batches, method, layers)
        take_over(student, whole)
        return replace(start, description=f"{start.description}; of the layers that share weights the last one's")
    reason = ""
    if method == "auto":
        method, reason = choose(student, teacher)
    if method == "random":
        return Initialisation("random", f"random weights{reason}", ())
    if method == "pca":
        taken = principal(student, teacher)
        return Initialisation("pca", f"{taken}, random layers{reason}", ())
    ours, theirs = anatomy(student), anatomy(teacher)
    (check_copy if method == "copy" else check_cut)(ours, theirs)
    mapped = layer_map(layers, len(ours.layers), len(theirs.layers))
    if not batches:
        raise UserError(f"the start '{method}' needs some text to measure the teacher on, and there is none.")
    texts = texts_of(batches)
    (copy if method == "copy" else cut)(ours, theirs, texts, mapped)
    return Initialisation(method, _describe(method, mapped) + reason, mapped)


def check_method(student: PreTrainedModel, teacher: PreTrainedModel, method: str) -> None:
    """Check that a start asked for by name works for two models, before anything long.

    Raises:
        UserError: an unknown method.
        DoesNotFit: it does not work for these two.
    """
    if method not in METHODS:
        raise unknown("initialisation", method, METHODS)
    if method in _CHECKS:
        _CHECKS[method](student, teacher)


def choose(student: PreTrainedModel, teacher: PreTrainedModel) -> tuple[str, str]:
    """Return the best method that fits two models, and why none before it does ("" for the first).

    A student of fewer layers than its teacher is cut even where its widths agree: the cut starts from the same whole
    layers and repairs what the skipped ones leave missing.
    """
    reasons: list[str] = []
    same_depth = student.config.num_hidden_layers == teacher.config.num_hidden_layers
    methods = ("copy", "cut", "pca") if same_depth else ("cut", "pca")
    for method in ("pca",) if student.config.model_type in BOTTLENECKS else methods:
        try:
            _CHECKS[method](student, teacher)
        except DoesNotFit as error:
            reasons.append(str(error))
        else:
            return method, _because(reasons[-1:])
    return "random", _because(reasons[-1:])


def _checked(check: Callable[[Anatomy, Anatomy], None]) -> Callable[[PreTrainedModel, PreTrainedModel], None]:
    return lambda student, teacher: check(anatomy(student), anatomy(teacher))


_CHECKS: dict[str, Callable[[PreTrainedModel, PreTrainedModel], None]] = {
    "copy": _checked(check_copy),
    "cut": _checked(check_cut),
    "pca": check_principal,
}


def _because(reasons: Sequence[str]) -> str:
    return f" ({reasons[0].rstrip('.')})" if reasons else ""


def _describe(method: str, layers: Sequence[int]) -> str:
    numbers = ", ".join(str(layer) for layer in layers)
    if method == "copy":
        return f"the teacher's embeddings, layers {numbers} (from 0) and head, copied"
    return f"cut out of the teacher: layers {numbers} (from 0), strongest dimensions, heads and neurons, repaired"
