"""The grid by hand, and gradients that pass through it."""

import numpy as np
import torch

from students.fake_quantization.rounding import fake_quantize


def test_by_hand() -> None:
    x = torch.tensor([1.27, -0.634, 0.004, 0.006, 2.0, -9.0])
    rounded = fake_quantize(x, torch.tensor(1.27), 127)
    np.testing.assert_allclose(rounded, [1.27, -0.63, 0.0, 0.01, 1.27, -1.27], atol=1e-6)


def test_beside_numpy_with_a_range_a_row() -> None:
    x = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    most = np.abs(x).max(1, keepdims=True)
    expected = np.clip(np.rint(x * (np.float32(127) / most)), -127, 127) * most / 127
    got = fake_quantize(torch.from_numpy(x), torch.from_numpy(most), 127).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert len(np.unique(np.rint(got[0] / most[0] * 127))) > 20


def test_gradients_pass_unchanged_beyond_the_range_too() -> None:
    x = torch.tensor([0.3, -5.0, 5.0], requires_grad=True)
    factors = torch.tensor([2.0, -3.0, 4.0])
    (fake_quantize(x, torch.tensor(1.0), 127) * factors).sum().backward()
    assert x.grad.tolist() == factors.tolist()


def test_zeros_stay_zeros() -> None:
    assert fake_quantize(torch.zeros(3), torch.tensor(0.0), 127).tolist() == [0, 0, 0]


def test_autocast_does_not_reach_the_rounding() -> None:
    x = torch.linspace(-1, 1, 255)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = fake_quantize(x, torch.tensor(1.0), 127)
    assert rounded.dtype == torch.float32
    assert len(rounded.unique()) == 255
