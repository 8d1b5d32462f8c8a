"""A student with its teacher's embeddings, turned into fewer dimensions by principal components, and random layers."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pocketbert.errors import DoesNotFit
from students.anatomy import anatomy
from students.architecture import BOTTLENECKS, FAMILIES
from students.bottleneck import copy_embeddings, same_form, start_bottleneck
from students.factorised import whole_table, write_words
from students.selection import covariance
from students.tables import tables_for


def check_principal(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Raise DoesNotFit unless the vocabularies agree and the student's embeddings are not the wider ones."""
    ours, theirs = _word_table(student).shape, _word_table(teacher).shape
    if ours[0] != theirs[0]:
        raise DoesNotFit(f"the student knows {ours[0]} pieces and its teacher {theirs[0]}.")
    if ours[1] > theirs[1]:
        raise DoesNotFit(f"the student's embeddings are {ours[1]} wide and its teacher's only {theirs[1]}.")


@torch.no_grad()
def principal(student: PreTrainedModel, teacher: PreTrainedModel) -> str:
    """Write the teacher's embeddings in their first principal components to the student; return what was taken over.

    Positions and token types are turned with the words where the teacher's family is known.

    Raises:
        DoesNotFit: see `check_principal`.
    """
    check_principal(student, teacher)
    if same_form(student, teacher):
        copy_embeddings(student, teacher)
        return "the teacher's embeddings and head"
    basis = components(_word_table(teacher), _word_table(student).shape[1])
    write_words(student.get_input_embeddings(), _word_table(teacher) @ basis)
    taken = "the teacher's embeddings in principal components"
    if teacher.config.model_type not in FAMILIES:
        return taken
    if student.config.model_type in BOTTLENECKS:
        whole = start_bottleneck(student, anatomy(teacher), basis)
        return f"{taken}, its positions and head" if whole else taken
    parts = anatomy(student)
    tables = tables_for(parts, anatomy(teacher))
    parts.position_embeddings.weight.copy_(tables.position @ basis)
    if parts.token_type_embeddings is not None and tables.token_type is not None:
        parts.token_type_embeddings.weight.copy_(tables.token_type @ basis)
    return taken


def components(table: Tensor, count: int) -> Tensor:
    """Return the `count` directions [H, count] in which the rows [V, H] vary most, the strongest first."""
    vectors: Tensor = torch.linalg.eigh(covariance(table.double())).eigenvectors
    return vectors.flip(1)[:, :count].to(table.dtype)


def _word_table(model: PreTrainedModel) -> Tensor:
    return whole_table(model.get_input_embeddings())
