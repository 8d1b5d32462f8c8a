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


def mean_scores(scores, group):
    """[B][A / group][L][L]: what a head of the student is compared with where its teacher has `group` times as many."""
    heads = range(0, scores.shape[1], group)
    return np.stack([sum(scores[:, head + g] for g in range(group)) / group for head in heads], axis=1)


def minilm_attention(student, teacher, lengths):
    """L_AT: for each head and token KL of the teacher's distribution over tokens to the student's; their mean."""
    terms = []
    for b, length in enumerate(lengths):
        for h in range(student.shape[1]):
            for i in range(length):
                ours, theirs = (softmax([scores[b][h][i][j] for j in range(length)]) for scores in (student, teacher))
                terms.append(sum(p * (math.log(p) - math.log(q)) for p, q in zip(theirs, ours, strict=True)))
    return sum(terms) / len(terms)


def minilmv2_relation(student, teacher, lengths, relation_heads):
    """Section 3.1: heads side by side, cut into relation heads, KL of the softmax of their scaled products."""

    def scores(vectors):
        rows, heads, length, size = vectors.shape
        wide = [[np.concatenate([vectors[b][h][i] for h in range(heads)]) for i in range(length)] for b in range(rows)]
        width = heads * size // relation_heads
        result = np.zeros((rows, relation_heads, length, length))
        for b in range(rows):
            for r in range(relation_heads):
                part = [vector[r * width : (r + 1) * width] for vector in wide[b]]
                for i in range(length):
                    for j in range(length):
                        result[b, r, i, j] = part[i] @ part[j] / math.sqrt(width)
        return result

    return minilm_attention(scores(student), scores(teacher), lengths)


def pkd_patient(student, teacher):
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        total += float(np.sum((s / math.sqrt(float(s @ s)) - t / math.sqrt(float(t @ t))) ** 2))
    return total / len(student)


def mobilebert_feature_maps(student, teacher, lengths):
    """Section 3.3.1 in the parts of the authors' code: normalised squared error, means squared, variances absolute."""
    distance, means, variances = [], [], []
    for b, length in enumerate(lengths):
        for i in range(length):
            s, t = student[b][i], teacher[b][i]
            s_norm, t_norm = ((x - x.mean()) / math.sqrt(x.var() + 1e-5) for x in (s, t))
            distance.append(float(((s_norm - t_norm) ** 2).mean()))
            means.append(float((s.mean() - t.mean()) ** 2))
            variances.append(abs(float(s.var() - t.var())))
    return tuple(sum(part) / len(part) for part in (distance, means, variances))


def mean_attention(scores, lengths, group):
    """Distributions over real tokens [B][A / group][L][length], each the mean of `group` heads'."""
    return [
        [
            [
                np.mean([softmax(list(scores[b][head * group + g][i][:length])) for g in range(group)], axis=0)
                for i in range(length)
            ]
            for head in range(scores.shape[1] // group)
        ]
        for b, length in enumerate(lengths)
    ]


def divergence(student, teacher):
    """Mean over all distributions of the teacher's KL to the student's; both [B][A][L] lists of distributions."""
    terms = [
        float(sum(p * (math.log(p) - math.log(q)) for p, q in zip(theirs, ours, strict=True)))
        for rows in zip(student, teacher, strict=True)
        for heads in zip(*rows, strict=True)
        for ours, theirs in zip(*heads, strict=True)
    ]
    return sum(terms) / len(terms)
