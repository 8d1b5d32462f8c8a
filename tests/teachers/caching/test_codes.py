import pytest
import torch

from pocketbert.errors import UserError
from teachers.caching.codes import CODES

BOUNDS = {"fp32": 0.0, "fp16": 2**-11, "bf16": 2**-8, "int8": 1 / 254}


@pytest.mark.parametrize("name", CODES)
def test_numbers_come_back_within_the_code_s_precision(name):
    numbers = 20 * torch.randn(50, 12, generator=torch.Generator().manual_seed(1))
    code, index = CODES[name], torch.tensor([[3, 0], [49, 3]])
    written = code.encode("x", numbers)
    assert tuple(written) == code.keys("x")
    again = code.decode("x", written, index)
    assert again.dtype == torch.float32 and again.shape == (2, 2, 12)
    size = numbers[index].abs() if name != "int8" else numbers[index].abs().amax(-1, keepdim=True)
    assert ((again - numbers[index]).abs() <= BOUNDS[name] * size * 1.001 + 1e-7).all()


@pytest.mark.parametrize("name", CODES)
def test_bytes_are_those_that_are_written(name):
    written = CODES[name].encode("x", torch.ones(7, 12))
    assert sum(tensor.nbytes for tensor in written.values()) == 7 * CODES[name].bytes(12)


def test_int8_by_hand():
    written = CODES["int8"].encode("x", torch.tensor([[1.0, -0.5, 0.0], [0.0, 0.0, 0.0]]))
    assert written["x"].tolist() == [[127, -64, 0], [0, 0, 0]]
    assert written["x.scale"].tolist() == pytest.approx([1 / 127, 0])


def test_what_half_precision_can_not_hold_is_refused_with_a_way_out():
    with pytest.raises(UserError, match=r"hidden_states\.1 .*--cache-precision bf16"):
        CODES["fp16"].encode("hidden_states.1", torch.tensor([[70000.0]]))
    assert CODES["bf16"].encode("x", torch.tensor([[70000.0]]))["x"].item() == pytest.approx(70000, rel=0.01)


@pytest.mark.parametrize("name", CODES)
def test_what_is_not_a_number_is_refused(name):
    with pytest.raises(UserError, match="not a number"):
        CODES[name].encode("x", torch.tensor([[float("nan")]]))
