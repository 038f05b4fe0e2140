"""The image encoder of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vistune.checkpoint.config_reader import part_config
from vistune.checkpoint.key_names import compress
from vistune.checkpoint.tokenizers import load_image_processor
from vistune.checkpoint.weights import WeightFiles
from vistune.errors import CheckpointError
from vistune.model.config import VisionConfig
from vistune.model.vision import VisionEncoder
from vistune.train.run.model.sources import Opened
from vistune.train.run.model.stage1 import open_stage1

if TYPE_CHECKING:
    from torch import Tensor

    from vistune.train.recipe.parts import Vision

# CLIP and SigLIP have had, and lost, an inner module of this name.
_INNER = "vision_model."


def build_vision(recipe: Vision, opened: Opened) -> tuple[VisionEncoder, Any]:
    """The encoder with its weights as they are stored, and its image processor.

    Raises:
        CheckpointError: the source holds no image encoder, or one that does not fit what is asked of it.
    """
    if opened.is_whole:
        model, processor = opened.whole
        source, image_processor = model.vision, processor.image_processor
    elif opened.is_stage1:
        first = open_stage1(opened.folder)
        source, image_processor = first.model.vision, first.processor.image_processor
    else:
        backbone, tensors = _bare(opened)
        config = VisionConfig(backbone, recipe.feature_layer, recipe.keep_cls)
        return _filled(_checked(config, opened), tensors), load_image_processor(opened.folder)
    config = VisionConfig(
        source.config.backbone, recipe.feature_layer, recipe.keep_cls, norm_eps=source.config.norm_eps
    )
    return _filled(_checked(config, opened), source.backbone.state_dict()), image_processor


def _checked(config: VisionConfig, opened: Opened) -> VisionConfig:
    layers = int(getattr(config.backbone, "num_hidden_layers", 0))
    layer = config.feature_layer
    if isinstance(layer, int) and -layer > layers + 1:
        raise CheckpointError(
            f"The image encoder of {opened.name!r} has {layers} layers, so there is no feature_layer {layer}; expected "
            f"-1 to {-layers - 1}."
        )
    if not config.has_cls and not config.keep_cls:
        raise CheckpointError(
            f"The image encoder of {opened.name!r} has no class token to leave out; set keep_cls: true."
        )
    return config


def _bare(opened: Opened) -> tuple[Any, Mapping[str, Tensor]]:
    """Config and weights of an encoder by itself, or of CLIP's and SigLIP's with a text encoder beside it."""
    try:
        config = part_config(opened.config)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{opened.name!r} holds no image encoder ({opened.kind or 'no model_type'} in its config.json); give a "
            "CLIP, SigLIP or EVA encoder, or a whole InstructBLIP, BLIP-2 or LLaVA."
        ) from error
    config = getattr(config, "vision_config", config)
    if not hasattr(config, "patch_size"):
        raise CheckpointError(
            f"{opened.name!r} holds a {opened.kind}, which is no image encoder; give a CLIP, SigLIP or EVA encoder, or "
            "a whole InstructBLIP, BLIP-2 or LLaVA."
        )
    entries = WeightFiles(opened.folder).entries
    return config, _Renamed({name: entry.read for name, entry in entries.items()}, opened.name, opened.world)


class _Renamed(Mapping[str, "Tensor"]):
    """Tensors of a file by the encoder's own names; each is read when it is asked for."""

    def __init__(self, readers: Mapping[str, Callable[[], Tensor]], source: str, world: bool) -> None:
        self._readers = readers
        self.source = source
        self._world = world

    def __getitem__(self, name: str) -> Tensor:
        shorter = name.removeprefix(_INNER)
        for candidate in (name, _INNER + shorter, shorter):
            if candidate in self._readers:
                tensor = self._readers[candidate]()
                # The packaged parts are stored in half the bits that they were made with, to be small.
                return tensor.float() if self._world else tensor
        raise KeyError(name)

    def __iter__(self) -> Any:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


def _filled(config: VisionConfig, tensors: Mapping[str, Tensor]) -> VisionEncoder:
    from transformers.initialization import no_init_weights

    with no_init_weights():
        encoder = VisionEncoder(config)
    names = list(encoder.backbone.state_dict())
    found, missing = {}, []
    for name in names:
        try:
            found[name] = tensors[name]
        except KeyError:
            missing.append(name)
    if missing:
        where = getattr(tensors, "source", "the checkpoint")
        raise CheckpointError(f"The weights of {where!r} lack tensors of the image encoder: {compress(missing)}.")
    encoder.backbone.load_state_dict(found, assign=True)
    return encoder
