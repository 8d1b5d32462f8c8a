"""The classification head of a student, fitted to its teacher's."""

import torch
from torch import Tensor
from transformers.activations import ACT2FN

from students.anatomy import Anatomy, HeadStep
from students.forward import head_logits
from students.regression import fit_linear
from students.selection import strongest

STRENGTH = 0.1
"""Ridge penalty: far above that of the layers, since there is one row a text here, not one a token."""


def same_head(student: Anatomy, teacher: Anatomy) -> bool:
    """Tell whether the student's head computes like its teacher's (DistilBERT has a ReLU where BERT has a tanh)."""
    return [step.activation for step in student.head] == [step.activation for step in teacher.head]


@torch.no_grad()
def fit_head(student: Anatomy, teacher: Anatomy, ours: Tensor, theirs: Tensor, kept: Tensor) -> None:
    """Write a head of two steps; where it is none, nothing is done.

    Args:
        student: the model that is written.
        teacher: the model that it imitates.
        ours: the student's last hidden state of each text's first token, [texts, h].
        theirs: the teacher's, [texts, H].
        kept: the teacher's dimensions that the student has, [h].
    """
    if len(student.head) != 2 or len(teacher.head) != 2:
        return
    (dense, classifier), (their_dense, their_classifier) = student.head, teacher.head
    before = their_dense.linear(theirs)
    pooled = ACT2FN[their_dense.activation](before)
    importance = pooled.var(0) * their_classifier.linear.weight.square().sum(0)
    chosen = strongest(importance, dense.linear.out_features)
    weight, bias = their_dense.linear.weight[chosen][:, kept], their_dense.linear.bias[chosen]
    fit_linear(dense.linear, weight, bias, ours, before[:, chosen], STRENGTH)
    weight, bias = their_classifier.linear.weight[:, chosen], their_classifier.linear.bias
    inner = _activated(dense, ours)
    fit_linear(classifier.linear, weight, bias, inner, head_logits(teacher, theirs), STRENGTH)


def _activated(step: HeadStep, values: Tensor) -> Tensor:
    result: Tensor = ACT2FN[step.activation](step.linear(values))
    return result
