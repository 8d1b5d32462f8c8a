import copy
from pathlib import Path

import pytest

from benchmarks.phone.candidates import candidates
from benchmarks.phone.given import Given
from benchmarks.phone.plan import Plan
from students.exporting.deployment import deploy
from tests.students.exporting import family_config, random_model
from tests.students.wordpieces import wordpieces

TEXTS = ("a", "the film was good", "the film was not good at all")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as students.export leaves it."""
    out = tmp_path_factory.mktemp("exported") / "tiny"
    out.mkdir()
    tokenizer = wordpieces(" ".join(TEXTS).split())  # fewer words than the model's 120
    model = random_model(family_config("bert"))
    deploy(model, tokenizer, out, TEXTS, ("fp32", "int8"), least_agreement=0.0)
    return out


@pytest.fixture(scope="session")
def files(folder):
    return candidates([folder], (4, 8), 1)


@pytest.fixture(scope="session")
def given(files):
    """What a phone is to do."""
    return Given(files, Plan((4, 8), 1, (), 3, 1.0, 2, "wasm"), "1.30.0")


def cell(name, length, threads, *rounds):
    return {
        "name": name,
        "length": length,
        "threads": threads,
        "calls": 3,
        "samples_ms": [list(each) for each in rounds],
    }


SENT = {
    "schema": 1,
    "complete": True,
    "seconds": 12.5,
    "batch": 1,
    "device": {
        "user_agent": "Mozilla/5.0 (Linux; Android 14)",
        "browser": "Chrome 150",
        "platform": "Android 14",
        "model": "Pixel 7",
        "cores": 8,
        "memory_gb": 8,
        "gpu": "",
        "screen": "412×915 at 2.625",
        "battery": 0.5,
        "charging": False,
    },
    "context": {
        "secure": True,
        "isolated": True,
        "timer_ms": 0.005,
        "hidden_seconds": 0,
        "provider": "wasm",
        "runtime": "1.30.0",
    },
    "files": [
        {
            "name": name,
            "fetch_ms": 10.0,
            "open_ms": 20.0,
            "first_ms": 3.0,
            "golden": {"texts": 3, "largest_difference": 0.01, "relative_difference": 0.02, "agreement": 1.0},
            "failed": None,
        }
        for name in ("model-fp32.onnx", "model-int8.onnx")
    ],
    "cells": [
        cell("model-fp32.onnx", 4, 2, (4.0, 4.2), (4.4, 4.0), (4.1, 4.3)),
        cell("model-int8.onnx", 4, 2, (2.0, 2.1), (2.2, 2.0), (2.0, 2.2)),
        cell("model-fp32.onnx", 8, 2, (8.0, 8.2), (8.4, 8.0), (8.1, 8.3)),
        cell("model-int8.onnx", 8, 2, (3.0, 3.1), (3.2, 3.0), (3.0, 3.2)),
    ],
    "sustained": None,
}  # fmt: skip


@pytest.fixture
def sent():
    """What a phone sends, to be changed at will."""
    return copy.deepcopy(SENT)
