"""What makes features what they are; a change of any of it makes other features, kept apart from the old ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vistune.errors import DataError
from vistune.model.vlm import VisionLanguageModel

if TYPE_CHECKING:
    from vistune.data.processor import Processor
    from vistune.data.transforms import ImageTransform

_FORMAT = 1
# Entries of a transformers config that say where it came from, not what it computes.
_ORIGIN = ("transformers_version", "_name_or_path", "dtype", "torch_dtype", "architectures")
_STORED = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True)
class FeatureSpec:
    """Everything the features of a picture depend on, beside the picture.

    Args:
        facts: as written to features.json: encoder, preparation, stored dtype, versions.
        shape: (P, D) of one picture. dtype: stored. before_norm: taken before :func:`final_norm`.
    """

    facts: dict[str, Any]
    shape: tuple[int, int]
    dtype: torch.dtype
    before_norm: bool

    @property
    def fingerprint(self) -> str:
        """Hash of the facts: 32 hex digits."""
        text = json.dumps(self.facts, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def row_bytes(self) -> int:
        """Size of one picture's features."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def stored_as(self, dtype: torch.dtype) -> FeatureSpec:
        """The same features in another dtype.

        Raises:
            DataError: it is none that features are stored in.
        """
        if dtype not in _STORED:
            raise DataError(f"Features cannot be stored as {dtype}; expected float16, bfloat16 or float32.")
        facts = {**self.facts, "stored": str(dtype).removeprefix("torch.")}
        return replace(self, facts=facts, dtype=dtype)


def final_norm(model: VisionLanguageModel) -> nn.Module | None:
    """The encoder's last norm (ln_vision of BLIP-2) if the connector reads what it gives, else None."""
    return model.vision.final_norm


def feature_spec(
    model: VisionLanguageModel,
    processor: Processor,
    dtype: torch.dtype,
    before_norm: bool | None = None,
    transform: ImageTransform | None = None,
) -> FeatureSpec:
    """What the features of a model's encoder depend on; reads all of the encoder's weights once.

    Args:
        dtype: to store: float16, bfloat16 or float32.
        before_norm: stop before the encoder's last norm, which may then be trained and is not part of the fingerprint;
            None does so where there is such a norm.
        transform: what is done to pictures instead of what the processor says.

    Raises:
        DataError: another dtype, no such norm, or a transform that is drawn at random.
    """
    if transform is not None and not transform.deterministic:
        raise DataError(
            f"Features cannot be kept with the transform {transform.kind!r}, which gives another picture every time; "
            "use a deterministic one, or train without kept features."
        )
    norm = final_norm(model)
    if before_norm and norm is None:
        raise DataError("This image encoder's features come from no final norm; encode them with before_norm=False.")
    stop = norm is not None if before_norm is None else before_norm
    vision = model.config.vision
    facts = {
        "format": _FORMAT,
        "encoder": {
            "weights": _weights_hash(model.vision, norm if stop else None),
            "config": {key: value for key, value in vision.backbone.to_dict().items() if key not in _ORIGIN},
            "layer": list(vision.feature_layer) if isinstance(vision.feature_layer, tuple) else vision.feature_layer,
            "keep_cls": vision.keep_cls,
            "norm_eps": None if stop else vision.norm_eps,
            "before_norm": stop,
        },
        "preparation": _preparation(processor, transform),
        "versions": _versions(),
    }
    shape = (vision.num_features, vision.feature_size)
    return FeatureSpec(json.loads(json.dumps(facts, default=str)), shape, dtype, stop).stored_as(dtype)


def encoder_fingerprint(
    model: VisionLanguageModel, processor: Processor, dtype: torch.dtype, before_norm: bool | None = None
) -> str:
    """Hash of what features depend on; see :func:`feature_spec`."""
    return feature_spec(model, processor, dtype, before_norm).fingerprint


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Where two specs' facts differ, in words: "encoder.layer -2, there -1"."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            yield from differences(ours.get(key), theirs.get(key), f"{place}.{key}" if place else key)
    elif ours != theirs:
        yield f"{place} {_short(ours)}, there {_short(theirs)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _weights_hash(vision: nn.Module, without: nn.Module | None) -> str:
    """Names, dtypes, shapes and bytes of all tensors; the dtype of the weights is that of the computation."""
    left_out = {id(tensor) for tensor in without.state_dict(keep_vars=True).values()} if without is not None else set()
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(vision.state_dict(keep_vars=True).items()):
        if id(tensor) in left_out:
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _preparation(processor: Processor, transform: ImageTransform | None) -> dict[str, Any]:
    image_processor = processor.image_processor
    return {
        "class": type(image_processor).__name__,
        "settings": json.loads(image_processor.to_json_string()),
        "transform": "checkpoint" if transform is None else transform.kind,
    }


def _versions() -> dict[str, str]:
    """Of what turns a file into pixels."""
    import PIL
    import transformers

    return {"pillow": PIL.__version__, "transformers": transformers.__version__}
