import copy

import numpy as np
import pytest
import torch
from torch import nn

from distill.optimizer import RowAdamW, clip_gradients, sparse_gradients

SETTINGS = {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.1, "eps": 1e-6}


def _trained(kind, batches, sparse, **settings):
    torch.manual_seed(0)
    table, head = nn.Embedding(10, 4, sparse=sparse), nn.Linear(4, 1)
    optimizer = kind([*table.parameters(), *head.parameters()], **SETTINGS | settings)
    for batch in batches:
        optimizer.zero_grad()
        head(table(torch.tensor(batch))).square().sum().backward()
        optimizer.step()
    return table.weight.detach(), head.weight.detach(), optimizer


@pytest.mark.parametrize("fused", [True, None])
def test_rows_that_every_step_reads_are_updated_as_adamw_does(fused):
    batches = [[*range(10), 3, 3], [*range(9, -1, -1)], [*range(10), 0]] * 3
    ours, theirs = (
        _trained(RowAdamW, batches, True, fused=fused),
        _trained(torch.optim.AdamW, batches, False, fused=fused),
    )
    torch.testing.assert_close(ours[0], theirs[0])
    torch.testing.assert_close(ours[1], theirs[1])


def test_a_row_that_is_read_again_catches_up_as_written_out_in_numpy():
    """Moments and decay count all steps since the row was read; the row is moved in the steps that read it."""
    steps = [([2], 1.0), ([5, 2], -0.5), ([5], 2.0), ([7], 1.0), ([2, 7], 0.25)]
    table = nn.Embedding(10, 1, sparse=True)
    expected = table.weight.detach().double().numpy().copy()
    optimizer = RowAdamW(table.parameters(), **SETTINGS)
    mean, square, last = np.zeros(10), np.zeros(10), np.zeros(10, int)
    for number, (rows, slope) in enumerate(steps, start=1):
        optimizer.zero_grad()
        (table(torch.tensor(rows)) * slope).sum().backward()
        optimizer.step()
        for row in rows:
            passed, last[row] = number - last[row], number
            mean[row] = 0.8**passed * mean[row] + 0.2 * slope
            square[row] = 0.9**passed * square[row] + 0.1 * slope**2
            step = mean[row] / (1 - 0.8**number) / (np.sqrt(square[row] / (1 - 0.9**number)) + 1e-6)
            expected[row, 0] = expected[row, 0] * (1 - 0.05 * 0.1) ** passed - 0.05 * step
    np.testing.assert_allclose(table.weight.detach().numpy(), expected, rtol=1e-5)


def test_rows_that_are_never_read_stay():
    start, end = _trained(RowAdamW, [], True)[0], _trained(RowAdamW, [[1, 2]] * 4, True)[0]
    assert torch.equal(start[3:], end[3:]) and not torch.equal(start[1:3], end[1:3])


def test_a_saved_state_goes_on_as_if_nothing_had_happened():
    torch.manual_seed(1)
    table = nn.Embedding(10, 4, sparse=True)
    optimizer = RowAdamW(table.parameters(), **SETTINGS)

    def train(table, optimizer, batches):
        for batch in batches:
            optimizer.zero_grad()
            (table(torch.tensor(batch)) + 1).square().sum().backward()
            optimizer.step()

    train(table, optimizer, [[1, 2], [3]])
    other = copy.deepcopy(table)
    resumed = RowAdamW(other.parameters(), **SETTINGS)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, its in ((table, optimizer), (other, resumed)):
        train(each, its, [[2, 4], [1]])
    assert torch.equal(table.weight, other.weight)


@pytest.mark.parametrize("largest", [0.5, 1e6])
def test_clipping_counts_sparse_gradients_as_dense_ones(largest):
    found = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table, head = nn.Embedding(10, 4, sparse=sparse), nn.Linear(4, 1)
        head(table(torch.tensor([1, 1, 2]))).square().sum().backward()
        parameters = [*table.parameters(), *head.parameters()]
        norm = clip_gradients(iter(parameters), largest) if sparse else nn.utils.clip_grad_norm_(parameters, largest)
        found.append((norm, [p.grad.to_dense() for p in parameters]))
    torch.testing.assert_close(found[0], found[1])


def test_tables_are_sparse_within_the_block_alone():
    table = nn.Embedding(3, 2)
    with sparse_gradients(table):
        assert table.sparse == (not torch.accelerator.is_available())
    assert not table.sparse
    with sparse_gradients(table, wanted=False):
        assert not table.sparse
    table.weight.requires_grad_(False)
    with sparse_gradients(table), sparse_gradients(nn.Linear(1, 1)):
        assert not table.sparse
