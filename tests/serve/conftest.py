"""Models behind the servers of these tests, and a brake on one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.families import load_pair
from tests.serve.rig import Brake, braked

from vistune.infer.predictor import Predictor


@pytest.fixture(params=["llava-mlp", "instructblip-t5"])
def predictor(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> Predictor:
    return load_pair(tiny_checkpoints[request.param]).predictor


@pytest.fixture
def llava(tiny_checkpoints: dict[str, Path]) -> Predictor:
    return load_pair(tiny_checkpoints["llava-mlp"]).predictor


@pytest.fixture
def brake(llava: Predictor) -> Iterator[Brake]:
    with braked(llava) as brake:
        yield brake
