from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vistune.data.pages import data_uri, html_page


def opened(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_small_pictures_are_enlarged_without_blur() -> None:
    small = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 6, 3), dtype=np.uint8))
    uri = data_uri(small, 40)
    assert uri.startswith("data:image/png;base64,")
    found = np.asarray(opened(uri))
    assert np.array_equal(found, np.asarray(small).repeat(5, axis=0).repeat(5, axis=1))


@pytest.mark.parametrize("size", [(400, 300), (60, 100)])
def test_large_pictures_are_reduced_and_left_as_they_are(size: tuple[int, int]) -> None:
    large = Image.new("RGB", size, "red")
    found = opened(data_uri(large, 80))
    assert max(found.size) == 80
    assert found.width / found.height == pytest.approx(size[0] / size[1], rel=0.03)
    assert large.size == size


def test_title_is_escaped() -> None:
    assert "<title>a &lt;b&gt;</title>" in html_page("a <b>", "", "")
