"""A teacher's lookup tables laid out the way a student's family wants them."""

from dataclasses import dataclass

from torch import Tensor

from pocketbert.errors import DoesNotFit
from students.anatomy import Anatomy
from students.factorised import whole_table


@dataclass(frozen=True)
class Tables:
    """Embedding tables, each [rows, teacher's embedding width].

    Attributes:
        word: one row a piece of the vocabulary.
        position: as many rows as the student has.
        token_type: None where the student has none.
    """

    word: Tensor
    position: Tensor
    token_type: Tensor | None


def tables_for(student: Anatomy, teacher: Anatomy) -> Tables:
    """Return the teacher's tables for a student that may be of another family.

    Token type 0 is added to the positions where the student has no token types (DistilBERT from BERT), and types that
    the teacher lacks are its type 0.

    Raises:
        DoesNotFit: another vocabulary, or more positions than the teacher has.
    """
    word = whole_table(teacher.word_embeddings)
    if len(word) != len(student.word_embeddings.weight):
        raise DoesNotFit(
            f"the student knows {len(student.word_embeddings.weight)} pieces and the teacher {len(word)}: "
            "weights can only be taken over with the same vocabulary."
        )
    position = _positions(student, teacher)
    theirs, ours = teacher.token_type_embeddings, student.token_type_embeddings
    if ours is None:
        if theirs is not None:
            position[student.position_offset :] += theirs.weight[0]
        return Tables(word, position, None)
    types = word.new_zeros(ours.num_embeddings, word.shape[1])
    if theirs is not None:
        known = min(len(types), theirs.num_embeddings)
        types[:known] = theirs.weight[:known]
        types[known:] = theirs.weight[0]
    return Tables(word, position, types)


def _positions(student: Anatomy, teacher: Anatomy) -> Tensor:
    source = teacher.position_embeddings.weight
    ours = student.position_embeddings.num_embeddings - student.position_offset
    available = source[teacher.position_offset :]
    if ours > len(available):
        raise DoesNotFit(f"the student reads {ours} tokens and the teacher only {len(available)}.")
    result = source.new_zeros(student.position_embeddings.num_embeddings, source.shape[1])
    padding = min(student.position_offset, teacher.position_offset)
    first = teacher.position_offset - padding
    result[student.position_offset - padding :] = source[first : first + padding + ours]
    return result
