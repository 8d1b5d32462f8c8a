"""Hinton, Vinyals and Dean 2015 (arXiv:1503.02531), section 3, on scikit-learn's 8 x 8 digits instead of MNIST.

The paper's errors: a big net with dropout and jittered images 67, a small unregularised one 146, the same one with the
big net's soft targets at temperature 20 beside the gold labels 74. Here 300 rows teach and the other 1,497 test; the
nets are 2 x 200 and 2 x 100 instead of 2 x 1200 and 2 x 800; images are also turned and scaled. Errors of seeds 0, 1
and 2: big 63, 42, 71, taught 82, 60, 84, alone 104, 106, 103; means of twenty other seeds: 46, 61, 103, in this order
in each.

Soft targets of rows without threes: with a corrected bias the paper's net makes 109 errors and misses 14 of 1,010
threes. Here the correction is 1.5 instead of 3.5, chosen on seeds not used here: 90, 62, 87 errors, 37 of 464 threes
missed; twenty other seeds: 65 on average, 6 % missed.
"""

import copy
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the usual name)
from sklearn.datasets import load_digits
from torch import nn

from distill.losses import hard_labels, soft_targets

SEEDS = (0, 1, 2)
ROWS = 300
GOLD = 0.1
HIGH, LOW = 20.0, 1.5
THREE, BIAS = 3, 1.5


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


def _big(images, labels, steps=1000):
    net = _net(200, dropout=0.3)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)

    def loss():
        batch = torch.randint(len(labels), (64,))
        return hard_labels(net(_jittered(images[batch])), labels[batch])

    _descend(loss, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps), steps)
    return net.eval()


def _small(start, loss, steps=600, rate=0.04):
    net = copy.deepcopy(start)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, cycle_momentum=False)
    _descend(lambda: loss(net), optimizer, schedule, steps)
    return net


def _taught(start, images, labels, targets):
    def loss(net):
        logits = net(images)
        return (1 - GOLD) * soft_targets(logits, targets, HIGH) + GOLD * hard_labels(logits, labels)

    return _small(start, loss)


@torch.no_grad()
def _errors(net, images, labels, bias=0.0):
    logits = net(images)
    logits[:, THREE] += bias
    return int((logits.argmax(-1) != labels).sum())


def _measure(seed):
    images, labels, unseen, answers = _split(seed)
    torch.manual_seed(seed)
    big = _big(images, labels)
    with torch.no_grad():
        targets = big(images)
    start = _net(100)
    nets = {
        "big": big,
        "taught": _taught(start, images, labels, targets),
        "alone": _small(start, lambda net: hard_labels(net(images), labels)),
        "cool": _small(start, lambda net: soft_targets(net(images), targets, LOW), 300),
        "exchanged": _small(start, lambda net: soft_targets(targets, net(images), LOW), 300),
    }
    errors = {name: _errors(net, unseen, answers) for name, net in nets.items()}

    others, threes = labels != THREE, answers == THREE
    without = _taught(start, images[others], labels[others], targets[others])
    return errors | {
        "without threes": _errors(without, unseen, answers, BIAS),
        "threes": int(threes.sum()),
        "threes missed": _errors(without, unseen[threes], answers[threes], BIAS),
    }


@pytest.fixture(scope="module")
def runs():
    return [_measure(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def total(runs):
    return {name: sum(run[name] for run in runs) for name in runs[0]}


def test_the_taught_net_is_nearly_as_good_as_the_big_one(runs, total):
    assert all(run["big"] < run["taught"] < run["alone"] for run in runs), runs
    assert total["taught"] < 0.9 * total["alone"], total


def test_the_student_has_to_cover_what_the_big_net_thinks_possible(total):
    """At a low temperature the divergence in the other direction teaches worse; at a high one they are the same."""
    assert 1.5 * total["cool"] < total["exchanged"], total


def test_a_net_that_never_saw_a_three_knows_threes(runs, total):
    assert all(run["without threes"] < run["alone"] for run in runs), runs
    assert total["threes missed"] < 0.2 * total["threes"], total
