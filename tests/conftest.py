"""Settings and tiny checkpoints that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

# Before any test imports them: no network, no chatter, no thread fights between xdist's workers.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = ("instructblip-llama", "instructblip-t5", "blip2-opt", "blip2-t5", "llava-linear", "llava-mlp")


@pytest.fixture(scope="session")
def tiny_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One complete transformers folder per model family, by name; read only."""
    from tests.tiny import make_family

    base = tmp_path_factory.mktemp("tiny")
    return {name: make_family(base / name, name) for name in FAMILIES}


@pytest.fixture(params=FAMILIES)
def tiny_checkpoint(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> Path:
    """The tiny folder of each family in turn."""
    return tiny_checkpoints[request.param]
