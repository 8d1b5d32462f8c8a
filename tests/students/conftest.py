"""What several of these tests need."""

import logging

import pytest


@pytest.fixture
def no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep torch's structured trace of an export, tens of thousands of records, out of pytest's log capture."""
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "handlers", [])
