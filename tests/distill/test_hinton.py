"""Hinton, Vinyals and Dean 2015 (arXiv:1503.02531), section 3, with scikit-learn's digits."""

import copy
import math

import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.datasets import load_digits
from torch import nn

from distill.losses import hard_labels, soft_targets

SEEDS = (0, 1, 2)
ROWS = 300
GOLD = 0.1
HIGH, LOW = 20.0, 2.0
THREE, BIAS = 3, 2.5


def _split(seed):
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    known, unseen = order[:ROWS], order[ROWS:]
    return images[known], labels[known], images[unseen], labels[unseen]


def _net(width, dropout=0.0):
    return nn.Sequential(
        *(nn.Linear(64, width), nn.ReLU(), nn.Dropout(dropout)),
        *(nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)),
        nn.Linear(width, 10),
    )


def _jittered(images, degrees=12, pixels=0.6, scale=0.1):
    angle, grown, right, down = torch.rand(4, len(images)) * 2 - 1
    angle, grown = angle * math.radians(degrees), 1 + grown * scale
    across = torch.stack([grown * angle.cos(), -grown * angle.sin(), right * pixels / 4], dim=1)
    along = torch.stack([grown * angle.sin(), grown * angle.cos(), down * pixels / 4], dim=1)
    shape = (len(images), 1, 8, 8)
    grid = F.affine_grid(torch.stack([across, along], dim=1), shape, align_corners=False)
    return F.grid_sample(images.view(shape), grid, align_corners=False).flatten(1)


def _descend(loss, optimizer, schedule, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        schedule.step()


def _big(images, labels, steps=1200):
    net = _net(200, dropout=0.3)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)

    def loss():
        batch = torch.randint(len(labels), (64,))
        return hard_labels(net(_jittered(images[batch])), labels[batch])

    _descend(loss, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps), steps)
    return net.eval()


def _small(start, loss, steps=600):
    net = copy.deepcopy(start)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=steps, cycle_momentum=False)
    _descend(lambda: loss(net), optimizer, schedule, steps)
    return net


def _taught(start, images, labels, targets, temperature=HIGH):
    def loss(net):
        logits = net(images)
        return (1 - GOLD) * soft_targets(logits, targets, temperature) + GOLD * hard_labels(logits, labels)

    return _small(start, loss)


@torch.no_grad()
def _errors(net, images, labels, bias=0.0):
    logits = net(images)
    logits[:, THREE] += bias
    return int((logits.argmax(-1) != labels).sum())


def _exchanged(start, images, targets):
    return _small(start, lambda net: soft_targets(targets, net(images), LOW))


def _measure(seed):
    images, labels, unseen, answers = _split(seed)
    torch.manual_seed(seed)
    big = _big(images, labels)
    with torch.no_grad():
        targets = big(images)
    start = _net(100)
    others, threes = labels != THREE, answers == THREE
    without = _taught(start, images[others], labels[others], targets[others])
    return {
        "big": _errors(big, unseen, answers),
        "taught": _errors(_taught(start, images, labels, targets), unseen, answers),
        "alone": _errors(_small(start, lambda net: hard_labels(net(images), labels)), unseen, answers),
        "low": _errors(_small(start, lambda net: soft_targets(net(images), targets, LOW)), unseen, answers),
        "exchanged": _errors(_small(start, lambda net: soft_targets(targets, net(images), LOW)), unseen, answers),
        "without threes": _errors(without, unseen, answers),
        "without threes, bias": _errors(without, unseen, answers, BIAS),
        "threes": int(threes.sum()),
        "threes missed": _errors(without, unseen[threes], answers[threes]),
        "threes missed, bias": _errors(without, unseen[threes], answers[threes], BIAS),
    }
