"""Pictures of the rows at hand: opened ahead by threads, encoded once each, handed to all questions about them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.data.features.encode import feature_function
from vistune.data.features.keys import picture_names
from vistune.data.images import open_images, pixel_values

if TYPE_CHECKING:
    from vistune.data.batch import Encoded
    from vistune.data.example import ImageRef
    from vistune.evaluate.runner.plan import Window
    from vistune.infer.predictor import Predictor

_THREADS = 4
# Pictures that go through the encoder together; on a CPU more than these leave its caches.
_BATCH, _BATCH_ON_CPU = 32, 8

_Opened = dict[str, "Future[Tensor]"]


def with_features(predictor: Predictor, windows: Iterable[Window]) -> Iterator[tuple[Window, dict[str, Tensor]]]:
    """Every window and the features [n, P, D] of its references, by the name of their first picture.

    The next window's pictures are opened while the caller works on this one.

    Raises:
        ImageError: a picture cannot be opened.
    """
    encode = feature_function(predictor.model, before_norm=False)
    image_processor = predictor.processor.image_processor
    dtype = next(predictor.model.vision.parameters()).dtype
    size = _BATCH_ON_CPU if predictor.model.device.type == "cpu" else _BATCH

    def opened(ref: ImageRef) -> Tensor:
        return pixel_values(open_images([ref]), image_processor)

    def features(pending: _Opened) -> dict[str, Tensor]:
        pixels = {name: future.result() for name, future in pending.items()}
        if not pixels:
            return {}
        parts = torch.cat(list(pixels.values())).to(dtype).split(size)
        encoded = torch.cat([encode(part) for part in parts])
        return dict(zip(pixels, encoded.split([len(part) for part in pixels.values()]), strict=True))

    pool = ThreadPoolExecutor(_THREADS)
    ahead: deque[tuple[Window, _Opened]] = deque()
    try:
        for window in windows:
            ahead.append((window, {name: pool.submit(opened, ref) for name, ref in _references(window).items()}))
            if len(ahead) > 1:
                first, pending = ahead.popleft()
                yield first, features(pending)
        for last, pending in ahead:
            yield last, features(pending)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def attach(encoded: Encoded, features: dict[str, Tensor]) -> Encoded:
    """The sample with the features of its pictures in their place."""
    if not encoded.images:
        return encoded
    parts = [features[picture_names(ref)[0]] for ref in encoded.images]
    # The object itself for one picture: rows that hold the same one share their beginning (vistune.infer.prefix).
    return replace(encoded, image_features=parts[0] if len(parts) == 1 else torch.cat(parts))


def _references(window: Window) -> dict[str, ImageRef]:
    samples: Sequence[Encoded] = [row.encoded for batch in window for row in batch]
    return {picture_names(ref)[0]: ref for sample in samples for ref in sample.images}
