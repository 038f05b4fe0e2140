"""Cache of the frozen image encoder's features: every picture is encoded once, in memory or on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vistune.data.images import open_image, pixel_values
from vistune.errors import DataError
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.processor import Processor


def image_key(ref: ImageRef) -> str:
    """Name of a picture in a cache: by its content if it is in memory, by path, size and time if it is a file."""
    if isinstance(ref, str | Path):
        status = Path(ref).stat()
        return f"{ref}:{status.st_size}:{status.st_mtime_ns}"
    digest = hashlib.blake2b(ref.tobytes(), digest_size=12)
    digest.update(f"{ref.mode}{ref.size}".encode())
    return digest.hexdigest()


def final_norm(model: VisionLanguageModel) -> nn.Module | None:
    """The encoder's last norm (ln_vision of BLIP-2) if the connector reads what it gives, else None."""
    if model.config.vision.feature_layer is not None:
        return None
    norm: nn.Module | None = getattr(model.vision.backbone, "post_layernorm", None)
    return norm


@dataclass(frozen=True)
class FeatureCache:
    """Features by picture.

    Args:
        values: [n, P, D], or prepared pixels [n, 3, H, W].
        rows: picture's key -> row of ``values``.
        before_norm: values are those before :func:`final_norm`, which can then be trained.
        pixels: values are pixels, for an encoder that is trained itself.
    """

    values: Tensor
    rows: dict[str, int]
    before_norm: bool = False
    pixels: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def rows_of(self, images: Sequence[ImageRef]) -> list[int]:
        """Rows of pictures that were encoded."""
        return [self.rows[image_key(image)] for image in images]

    def save(self, path: Path, fingerprint: str) -> None:
        """Write to a safetensors file, by renaming. ``fingerprint`` says what made the features."""
        from safetensors.torch import save_file

        order = sorted(self.rows, key=self.rows.__getitem__)
        facts = {"keys": order, "before_norm": self.before_norm, "pixels": self.pixels}
        metadata = {"fingerprint": fingerprint, "facts": json.dumps(facts)}
        temporary = path.with_name(path.name + ".new")
        save_file({"values": self.values.contiguous()}, temporary, metadata)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> FeatureCache | None:
        """The cache in the file, memory-mapped; None if there is none, or one made by something else or cut off."""
        from safetensors import SafetensorError, safe_open

        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("fingerprint") != fingerprint:
                    return None
                values = file.get_tensor("values")
        except (SafetensorError, OSError):
            return None
        facts = json.loads(metadata["facts"])
        rows = {key: row for row, key in enumerate(facts["keys"])}
        return cls(values, rows, facts["before_norm"], facts["pixels"])


def encoder_fingerprint(model: VisionLanguageModel, processor: Processor, dtype: torch.dtype) -> str:
    """Hash of what the features depend on: the encoder's weights and choice of layer, preparation, precision."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.vision.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    choice = (model.config.vision.feature_layer, model.config.vision.keep_cls, str(dtype))
    digest.update(repr(choice).encode())
    digest.update(processor.image_processor.to_json_string().encode())
    return digest.hexdigest()


def encode_features(
    model: VisionLanguageModel,
    processor: Processor,
    images: Iterable[ImageRef],
    *,
    before_norm: bool = False,
    dtype: torch.dtype = torch.float32,
    batch_size: int = 64,
    on_progress: Callable[[int], None] | None = None,
) -> FeatureCache:
    """Encode pictures once each; equal ones share a row.

    Args:
        before_norm: keep what goes into :func:`final_norm` instead of what comes out of it.
        dtype: of the stored features; half precision halves the memory.
        on_progress: called with the number of pictures done so far.

    Raises:
        ImageError: a picture cannot be read. DataError: the encoder has no final norm to stop before, or no pictures.
    """
    norm = final_norm(model)
    if before_norm and norm is None:
        raise DataError("This image encoder's features come from no final norm; encode them with before_norm=False.")

    def encode(pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            return _features(model, pixels.to(model.device), norm if before_norm else None)

    values, rows = _collect(processor, images, encode, dtype, batch_size, on_progress)
    return FeatureCache(values, rows, before_norm)


def prepare_pixels(
    processor: Processor, images: Iterable[ImageRef], *, on_progress: Callable[[int], None] | None = None
) -> FeatureCache:
    """Pictures opened and scaled once each, in half precision, for an encoder that is trained itself.

    Raises:
        ImageError, DataError: as in :func:`encode_features`.
    """
    values, rows = _collect(processor, images, lambda pixels: pixels, torch.float16, 64, on_progress)
    return FeatureCache(values, rows, pixels=True)


def _collect(
    processor: Processor,
    images: Iterable[ImageRef],
    encode: Callable[[Tensor], Tensor],
    dtype: torch.dtype,
    batch_size: int,
    on_progress: Callable[[int], None] | None,
) -> tuple[Tensor, dict[str, int]]:
    """Values of distinct pictures [n, ...] and the row of each."""
    rows: dict[str, int] = {}
    parts: list[Tensor] = []
    unseen = _distinct(images, rows)
    while batch := list(islice(unseen, batch_size)):
        pixels = pixel_values([open_image(image) for image in batch], processor.image_processor)
        parts.append(encode(pixels).to("cpu", dtype))
        if on_progress is not None:
            on_progress(len(rows))
    if not parts:
        raise DataError("There are no pictures to encode; give examples that have images.")
    return torch.cat(parts).clone(), rows


def _distinct(images: Iterable[ImageRef], rows: dict[str, int]) -> Iterable[ImageRef]:
    for image in images:
        key = image_key(image)
        if key not in rows:
            rows[key] = len(rows)
            yield image


def _features(model: VisionLanguageModel, pixels: Tensor, stop_before: nn.Module | None) -> Tensor:
    """[N, 3, H, W] -> [N, P, D], what goes into ``stop_before`` if given."""
    if stop_before is None:
        return model.encode_images(pixels)
    inputs: list[Tensor] = []
    handle = stop_before.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    try:
        model.encode_images(pixels)
    finally:
        handle.remove()
    # transformers' encoders use the norm a second time, on the class token for their pooled output.
    return inputs[0]
