"""The masked language head of a student, fitted to its teacher's; its decoder is the student's word embeddings."""

import torch
from torch import Tensor

from students.anatomy import Anatomy
from students.regression import fit_linear


@torch.no_grad()
def fit_language_head(student: Anatomy, teacher: Anatomy, ours: Tensor, theirs: Tensor, kept: Tensor) -> None:
    """Write the head; where one of the models has none, nothing is done.

    Args:
        student: the model that is written.
        teacher: the model that it imitates.
        ours: the student's last hidden state of every token, [N, h].
        theirs: the teacher's, [N, H].
        kept: the teacher's dimensions that the student has, [h].
    """
    head, source = student.language_head, teacher.language_head
    if head is None or source is None:
        return
    same = torch.arange(source.dense.out_features)  # narrow embeddings are kept whole
    columns = kept if student.embedding_projection is None else same
    weight, bias = source.dense.weight[columns][:, kept], source.dense.bias[columns]
    fit_linear(head.dense, weight, bias, ours, source.dense(theirs)[:, columns])
    head.norm.weight.copy_(source.norm.weight[columns])
    head.norm.bias.copy_(source.norm.bias[columns])
    head.bias.copy_(source.bias)
