"""Writing the starting points as transformers folders: float16 weights that load as float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vistune.world.pretrain.vision import MEAN, STD

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PROCESSORS: dict[str, dict[str, Any]] = {
    "eva": {"image_processor_type": "BlipImageProcessor"},
    "clip": {"image_processor_type": "CLIPImageProcessor", "do_center_crop": False},
}
_BICUBIC = 3


def save_part(model: PreTrainedModel, folder: Path) -> None:
    """config.json and model.safetensors. Weights are float16 on disk; the config says float32, so they load as that."""
    if not all(bool(torch.isfinite(value.half()).all()) for value in model.state_dict().values()):
        raise ValueError(f"{folder.name}: a weight is not finite in float16, so the training went wrong")
    model.half().save_pretrained(folder)
    model.float()
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def save_image_processor(kind: str, image_size: int, folder: Path) -> None:
    """preprocessor_config.json: bicubic resize to the encoder's square, 1/255, mean and deviation of 0.5."""
    config = {
        **_PROCESSORS[kind],
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
        "resample": _BICUBIC,
        "rescale_factor": 1 / 255,
        "size": {"height": image_size, "width": image_size},
    }
    (folder / "preprocessor_config.json").write_text(
        json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )


@torch.no_grad()
def scale_features(kind: str, model: Any, features: torch.Tensor) -> None:
    """Brings the features that connectors read to a usual size, without changing what they say.

    EVA: every channel to mean 0 and deviation 1, folded into the last norm. CLIP: all channels to a common deviation of
    1, by one factor on everything that is added to the residual stream (its norms take the factor out again).
    """
    flat = features.flatten(0, -2)
    if kind == "eva":
        norm = model.post_layernorm
        std, mean = flat.std(0), flat.mean(0)
        norm.weight.div_(std)
        norm.bias.sub_(mean).div_(std)
        return
    factor = 1 / float(flat.std())
    tower = getattr(model, "vision_model", model)
    layers: list[Any] = [tower.pre_layrnorm]
    for layer in tower.encoder.layers:
        layers += [layer.self_attn.out_proj, layer.mlp.fc2]
    for layer in layers:
        layer.weight.mul_(factor)
        layer.bias.mul_(factor)
