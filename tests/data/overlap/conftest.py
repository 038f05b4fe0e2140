"""Real photographs to make copies of."""

from __future__ import annotations

from pathlib import Path

import pytest

PHOTOGRAPHS = Path(__file__).resolve().parents[4] / "shared" / "data" / "coco_open" / "images"


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    """COCO photographs with open licences, in an order of their own."""
    if not PHOTOGRAPHS.is_dir():
        pytest.skip("needs real photographs in ../shared/data/coco_open/images, which is not there")
    return sorted(PHOTOGRAPHS.glob("*.jpg"))
