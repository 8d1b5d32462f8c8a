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
