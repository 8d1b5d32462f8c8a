"""Distillation losses as pure functions: tensors in, one scalar out; no model, no configuration.

Shapes: B rows, L tokens, H features, C classes, A attention heads. Padding never counts: a batch padded
further gives the same loss, which the published codes of TinyBERT and CoFi do not keep to.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from torch import Tensor

IGNORED_LABEL = -100


def soft_targets(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Kullback-Leibler divergence of softened distributions, times T², averaged over rows.

    Hinton et al. 2015 (arXiv:1503.02531), section 2. The factor T² keeps the gradient's size when the
    temperature changes. The divergence differs from the paper's cross entropy by the teacher's entropy,
    a constant, and so is zero when student and teacher agree.

    Args:
        student_logits: [B, C].
        teacher_logits: [B, C].
        temperature: T > 0, applied to both sides.
    """
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=-1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


def soft_values(student_values: Tensor, teacher_values: Tensor) -> Tensor:
    """Mean squared error to the teacher's predicted values [B, 1]: the soft target of a regression."""
    return F.mse_loss(student_values.flatten(), teacher_values.flatten())


def hard_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy with class ids; rows labelled -100 have no label and add nothing.

    The sum is divided by all B rows, labelled or not, so that each labelled row weighs the same whatever
    else is in its batch.

    Args:
        logits: [B, C].
        labels: [B] of class ids or -100.
    """
    total = F.cross_entropy(logits, labels, ignore_index=IGNORED_LABEL, reduction="sum")
    return total / labels.shape[0]


def hard_values(values: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error with gold values; rows whose target is NaN have none and add nothing.

    Args:
        values: [B, 1] or [B].
        targets: [B], float.
    """
    known = ~torch.isnan(targets)
    error = values.flatten() - torch.nan_to_num(targets)
    return (error.square() * known).sum() / targets.shape[0]


def hidden_mse(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the features of real tokens.

    TinyBERT (arXiv:1909.10351), equations 8 and 9, after the projection.

    Args:
        student: [B, L, H], already projected to the teacher's width.
        teacher: [B, L, H].
        mask: [B, L], 1 for real tokens.
    """
    weight = mask.unsqueeze(-1).to(student.dtype)
    squared = (student - teacher).square() * weight
    return squared.sum() / (weight.sum() * student.shape[-1]).clamp_min(1)


def feature_maps(student: Tensor, teacher: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three parts of MobileBERT's feature map transfer, each a mean over real tokens.

    The mean squared error of states normalised over their features; the squared difference of their means; the absolute
    difference of their (population) variances. MobileBERT (arXiv:2004.02984), section 3.3.1, has one mean squared
    error; its authors' code takes it apart into these.

    Args:
        student: [B, L, H], already projected to the teacher's width.
        teacher: [B, L, H].
        mask: [B, L], 1 for real tokens.
    """
    weight = mask.to(student.dtype)
    count = weight.sum().clamp_min(1)
    width = student.shape[-1:]
    distance = hidden_mse(F.layer_norm(student, width), F.layer_norm(teacher, width), mask)
    means = (student.mean(-1) - teacher.mean(-1)).square()
    variances = (student.var(-1, correction=0) - teacher.var(-1, correction=0)).abs()
    return distance, (means * weight).sum() / count, (variances * weight).sum() / count


def mean_attention(scores: Tensor, mask: Tensor, group: int) -> Tensor:
    """Return scores whose distributions are the means of those of `group` heads each.

    Args:
        scores: [B, A, L, L], scaled scores without the mask added.
        mask: [B, L], 1 for real tokens.
        group: heads that become one; it divides A.

    Returns:
        [B, A / group, L, L], logarithms of the mean distributions.
    """
    padded = ~mask.bool()[:, None, None, :]
    lowest = torch.finfo(scores.dtype).min
    logs = F.log_softmax(scores.masked_fill(padded, lowest), dim=-1)
    return torch.logsumexp(logs.unflatten(1, (-1, group)), dim=2) - math.log(group)


def hidden_cosine(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """One minus the cosine between the states of each real token, averaged.

    DistilBERT (arXiv:1910.01108), section 3, L_cos.

    Args:
        student: [B, L, H].
        teacher: [B, L, H].
        mask: [B, L], 1 for real tokens.
    """
    weight = mask.to(student.dtype)
    cosine = F.cosine_similarity(student, teacher, dim=-1)
    return ((1 - cosine) * weight).sum() / weight.sum().clamp_min(1)


def attention_mse(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of attention scores before the softmax, over pairs of real tokens.

    TinyBERT (arXiv:1909.10351), equation 7 with A = QK^T / sqrt(d), the unnormalised form that the paper
    uses. Pairs with a padded token on either side do not count.

    Args:
        student: [B, A, L, L], scaled scores without the mask added.
        teacher: [B, A, L, L].
        mask: [B, L], 1 for real tokens.
    """
    real = mask.to(student.dtype)
    pairs = (real.unsqueeze(2) * real.unsqueeze(1)).unsqueeze(1)
    squared = (student - teacher).square() * pairs
    return squared.sum() / (pairs.sum() * student.shape[1]).clamp_min(1)


def attention_divergence(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(teacher || student) of attention distributions, over heads and real tokens.

    MiniLM (arXiv:2002.10957), L_AT: 1 / (A |x|) times the sum over heads and tokens; here the mean over the real
    tokens of the whole batch. Padded tokens are neither attended to nor counted.

    Args:
        student: [B, A, L, L], scaled scores without the mask added.
        teacher: [B, A, L, L].
        mask: [B, L], 1 for real tokens.
    """
    real = mask.bool()
    padded = ~real[:, None, None, :]
    lowest = torch.finfo(student.dtype).min
    ours = F.log_softmax(student.masked_fill(padded, lowest), dim=-1)
    theirs = F.log_softmax(teacher.masked_fill(padded, lowest), dim=-1)
    terms = (theirs.exp() * (theirs - ours)).masked_fill(padded, 0.0).sum(-1)
    counted = real[:, None, :].to(terms.dtype)
    return (terms * counted).sum() / (counted.sum() * terms.shape[1]).clamp_min(1)


def relation_scores(vectors: Tensor, heads: int) -> Tensor:
    """Return scaled products of each token's vector with every other's, per relation head.

    MiniLMv2 (arXiv:2012.15828), section 3.1: the attention heads' vectors are put side by side and cut into `heads`
    relation heads; with A = `heads` it is MiniLM's V V^T / sqrt(d).

    Args:
        vectors: [B, A, L, D], the queries, keys or values of a layer.
        heads: relation heads R, which divide A * D.

    Returns:
        [B, R, L, L].
    """
    rows, _, length, _ = vectors.shape
    cut = vectors.transpose(1, 2).reshape(rows, length, heads, -1).transpose(1, 2)
    return torch.matmul(cut, cut.transpose(-1, -2)) / math.sqrt(cut.shape[-1])


def normalised_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of vectors scaled to length one, averaged over rows.

    PKD (arXiv:1908.09355), L_PT, for one layer.

    Args:
        student: [B, H], already projected to the teacher's width.
        teacher: [B, H].
    """
    return (F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).square().sum(-1).mean()
