import pytest
import torch

from pocketbert import devices
from pocketbert.errors import UserError


def test_bf16_is_refused_where_it_is_slower(monkeypatch):
    seconds = {torch.bfloat16: 3.0, torch.float32: 0.1}
    monkeypatch.setattr(devices, "_step_seconds", lambda kind, _device: seconds[kind])
    with pytest.raises(UserError, match="30 times as long in bfloat16"):
        devices.check_bf16()
    seconds[torch.bfloat16] = 0.05
    devices.check_bf16()


@pytest.mark.parametrize(("seconds", "bf16"), [({True: 0.5, False: 1.0}, True), ({True: 0.95, False: 1.0}, False)])
def test_what_is_surely_faster_is_chosen_and_told(monkeypatch, seconds, bf16):
    monkeypatch.setattr(devices, "_block_seconds", lambda _device, half: seconds[half])
    chosen, reason = devices.choose_bf16()
    assert chosen == bf16
    assert f"{seconds[True]:.2f} of its time" in reason and reason.startswith("bfloat16" if bf16 else "float32")


def test_both_precisions_can_be_timed():
    assert all(0 < devices._block_seconds(torch.device("cpu"), half) < 60 for half in (True, False))
