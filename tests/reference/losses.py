"""The losses written from the papers in NumPy, row by row and token by token; shares nothing with distill."""

import math

import numpy as np


def softmax(values):
    shifted = [math.exp(value - max(values)) for value in values]
    return [value / sum(shifted) for value in shifted]


def hinton(student, teacher, temperature):
    """T² times the mean over rows of KL(teacher || student), both softened."""
    total = 0.0
    for s_row, t_row in zip(student, teacher, strict=True):
        s = softmax([value / temperature for value in s_row])
        t = softmax([value / temperature for value in t_row])
        total += sum(p * (math.log(p) - math.log(q)) for p, q in zip(t, s, strict=True))
    return temperature**2 * total / len(student)


def cross_entropy(logits, labels):
    return sum(-math.log(softmax(row)[label]) for row, label in zip(logits, labels, strict=True) if label >= 0) / len(
        labels
    )


def tinybert_hidden(student, teacher, lengths):
    """Equation 8 over real tokens: mean of squared differences of all their features."""
    squares = [(student[b][i] - teacher[b][i]) ** 2 for b, length in enumerate(lengths) for i in range(length)]
    return float(np.concatenate(squares).mean())


def distilbert_cosine(student, teacher, lengths):
    values = []
    for b, length in enumerate(lengths):
        for i in range(length):
            s, t = student[b][i], teacher[b][i]
            values.append(1 - float(s @ t) / (math.sqrt(float(s @ s)) * math.sqrt(float(t @ t))))
    return sum(values) / len(values)


def tinybert_attention(student, teacher, lengths):
    """Equation 7 over pairs of real tokens and all heads."""
    squares = [
        (student[b][h][i][j] - teacher[b][h][i][j]) ** 2
        for b, length in enumerate(lengths)
        for h in range(student.shape[1])
        for i in range(length)
        for j in range(length)
    ]
    return float(np.mean(squares))
