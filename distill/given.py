"""A student that a folder holds: a trained one, or any pretrained encoder."""

from collections.abc import Sequence
from pathlib import Path

from pocketbert.errors import UserError
from pocketbert.files import fingerprint, sha256
from students.initialization import Initialisation
from teachers.loading import Kind, Teacher, load_teacher


def load_given(name: str, kind: Kind, labels: Sequence[str], initialisation: str) -> tuple[Teacher, Initialisation]:
    """Load a student from its folder; the rules that tell whether a teacher's head fits tell it here too.

    Args:
        name: the folder.
        kind: of the task, or of a corpus.
        labels: class names in id order.
        initialisation: as the user asked for it.

    Raises:
        UserError: it can't be loaded, or another start was asked for.
    """
    if initialisation != "auto":
        raise UserError(f"--initialisation {initialisation}: a student's folder has its own weights.")
    student = load_teacher(name, kind, labels)
    head = "with its head" if student.ready else "with a new head"
    description = f"the weights of {name}, {head} ({student.reason})"
    return student, Initialisation(method="given", description=description, layers=())


def weights_fingerprint(folder: Path) -> str:
    """Return what stands for a folder's weights."""
    return fingerprint([sha256(file) for file in sorted(folder.glob("*.safetensors"))])
