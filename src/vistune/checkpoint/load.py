"""A checkpoint folder or hub name as a model and its processor. Each weight goes from its file to its place, once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vistune.checkpoint.adapters import base_folder, is_adapter, put_adapter
from vistune.checkpoint.assemble import DtypePlan, build_empty, fill
from vistune.checkpoint.config_reader import Folder
from vistune.checkpoint.layouts import part_of
from vistune.checkpoint.locate import locate
from vistune.checkpoint.processors import build_processor
from vistune.checkpoint.special_ids import repair_generation_config, report
from vistune.errors import CheckpointError, InputError
from vistune.model.lora import merge_lora

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from vistune.data.processor import Processor
    from vistune.model.config import ModelConfig
    from vistune.model.vlm import VisionLanguageModel

Dtype = torch.dtype | str

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_model(
    path_or_hub_id: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> tuple[VisionLanguageModel, Processor]:
    """Load InstructBLIP, BLIP-2, LLaVA, or one of our own combinations; all of it or nothing.

    Weights that are used as they are stay mappings of their files (see ``WeightFiles``); they can be trained as any
    others.

    Args:
        path_or_hub_id: a folder, or ``owner/name`` on the hub (fetched once into its cache); revision: of a hub name. A
            folder of adapters is loaded with its base, and merged.
        dtype: "auto" is what config.json says, else what the files hold. "stored" leaves every tensor as it is. float16
            keeps in float32 what transformers keeps: T5's ``wo``, the queries, and BLIP-2's Q-Former.
        trust_remote_code: let tokenizer and image processor run code from the folder.

    Returns:
        The model in eval mode, its ``generation_config`` set, and its processor.

    Raises:
        CheckpointError: nothing there, damaged files, or weights that do not fit the config: every key is named.
        InputError: unknown dtype or device.
    """
    place = _device(device)
    if not isinstance(dtype, torch.dtype) and dtype not in ("auto", "stored", *_DTYPES):
        raise InputError(f"Unknown dtype {dtype!r}; expected 'auto', 'float32', 'float16' or 'bfloat16'.")
    located = locate(path_or_hub_id, revision)
    if is_adapter(located):
        return load_adapter(located, device=place, dtype=dtype, trust_remote_code=trust_remote_code)
    folder = Folder(located, trust_remote_code)
    config = folder.config
    processor = build_processor(folder)
    generation = _generation_config(folder, config)
    model = build_empty(config)
    fill(model, folder, _dtype_plan(dtype, folder, model), place)
    model.generation_config = generation
    report(folder.repairs, str(folder.path))
    return model.eval(), processor


def load_adapter(
    folder: str | Path, base: str | Path | None = None, merge: bool = True, **options: Any
) -> tuple[VisionLanguageModel, Processor]:
    """The base model with the adapters.

    Args:
        base: the checkpoint, if it is no longer where it was. merge: add the adapters to the weights: a plain model,
            as fast as the base; False keeps them apart, to go on training.
        options: of ``load_model``.

    Raises:
        CheckpointError: no base, another base than the adapters were trained on, or tensors that do not fit.
    """
    path = Path(folder).expanduser()
    model, processor = load_model(base_folder(path, base, options.pop("revision", None)), **options)
    put_adapter(model, path)
    if merge:
        merge_lora(model)
    return model.eval(), processor


def _device(device: str | torch.device) -> torch.device:
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"Device {str(device)!r} cannot be used here ({str(error).splitlines()[0]}); expected 'cpu' or a "
            "device that this machine and this build of torch have."
        ) from error
    return place


def _dtype_plan(dtype: Dtype, folder: Folder, model: VisionLanguageModel) -> DtypePlan:
    """Which dtype each tensor gets, by our name; None leaves it as stored."""
    if dtype == "stored":
        return lambda name: None
    parts: dict[str, torch.dtype] = {}
    if dtype == "auto":
        dtype = _auto_dtype(folder)
        parts = {part: _DTYPES[name] for part, name in (folder.facts.dtypes or {}).items() if name in _DTYPES}
    main = dtype if isinstance(dtype, torch.dtype) else _DTYPES[dtype]
    keep = _kept_in_float32(folder, model)

    def plan(name: str) -> torch.dtype:
        wanted = parts.get(part_of(name), main)
        return torch.float32 if wanted == torch.float16 and keep.search(name) else wanted

    return plan


def _auto_dtype(folder: Folder) -> torch.dtype:
    named = folder.raw.get("dtype") or folder.raw.get("torch_dtype")
    if named in _DTYPES:
        return _DTYPES[named]
    return next((entry.dtype for entry in folder.weights.entries.values() if entry.dtype is not None), torch.float32)


def _kept_in_float32(folder: Folder, model: VisionLanguageModel) -> re.Pattern[str]:
    """Modules that overflow in float16, as transformers lists them."""
    names = sorted(getattr(model.language.model, "_keep_in_fp32_modules", None) or ())
    patterns = [rf"^language\.model\.(.*\.)?{re.escape(name)}(\.|$)" for name in names]
    if folder.family in ("instructblip", "blip-2"):
        patterns.append(r"^connector\.query_tokens$")
    if folder.family == "blip-2":
        patterns.append(r"^connector\.qformer\.")
    return re.compile("|".join(patterns) or r"(?!)")


def _generation_config(folder: Folder, config: ModelConfig) -> GenerationConfig:
    """generation_config.json, or what the language model's config implies; ids corrected by the tokenizer."""
    from transformers import GenerationConfig

    path = folder.path / "generation_config.json"
    try:
        if path.is_file():
            generation = GenerationConfig.from_pretrained(folder.path)
        else:
            generation = GenerationConfig.from_model_config(folder.transformers_config or config.language)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be understood ({str(error).splitlines()[0]}); correct or remove it."
        ) from error
    repair_generation_config(generation, folder.tokenizer)
    if config.language.is_encoder_decoder and generation.decoder_start_token_id is None:
        generation.decoder_start_token_id = getattr(config.language, "decoder_start_token_id", None)
    return generation
