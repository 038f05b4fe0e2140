"""A model and its processor as a folder that transformers loads."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vistune.checkpoint.atomic import replace_folder
from vistune.checkpoint.config_writer import build_config, family_of
from vistune.checkpoint.facts import FACTS_NAME, Facts, write_facts
from vistune.checkpoint.layouts import Layout, layout_of, part_of
from vistune.checkpoint.processors import write_processor
from vistune.checkpoint.tokenizers import QFORMER_FOLDER, is_pil
from vistune.checkpoint.vocabulary import extend_vocabulary
from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel

# What a checkpoint consists of. It is replaced; other files in the folder are carried over.
_OWN_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model*.bin.index.json",
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "spiece.model",
    "chat_template*",
    QFORMER_FOLDER,
    FACTS_NAME,
)
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def save_model(
    model: VisionLanguageModel, processor: Processor, folder: str | Path, max_shard_size: int | str = "5GB"
) -> None:
    """Write a transformers checkpoint (or our own layout for combinations that transformers does not have).

    The folder appears whole or not at all; one that stood there stays until the new one is complete, and files in it
    that belong to no checkpoint (logs, a README) are carried over.

    Args:
        max_shard_size: bytes, or a text such as "5GB"; more is split into several files with an index.

    Raises:
        StorageError: a full disk or a folder that cannot be written.
        InputError: the model still has no weights, a processor that does not fit, or a size that does not parse.
    """
    limit = parse_size(max_shard_size)
    family = family_of(model)
    layout = layout_of(family, model)
    tensors = _tensors_to_write(model, layout)
    if family != "vistune":
        tensors = extend_vocabulary(tensors, model, layout)
    total = sum(tensor.nbytes for tensor in tensors.values())
    dtypes = _part_dtypes(model)
    main = dtypes.get("language", "float32")
    content = build_config(model, family, main)
    with replace_folder(folder, keep=is_foreign, expected_bytes=total) as new:
        write_json(new / "config.json", content)
        _write_generation_config(model, new)
        write_processor(processor, model.config, family, new)
        write_facts(new, _facts(model, processor, dtypes))
        write_weights(new, tensors, limit)


def parse_size(size: int | str) -> int:
    """'5GB' -> 5000000000

    Raises:
        InputError: not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(size).strip())
    if match is None or match.group(2).upper() not in _UNITS or float(match.group(1)) <= 0:
        raise InputError(f"Cannot read the shard size {size!r}; expected a number of bytes or a text such as '5GB'.")
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])


def is_foreign(name: str) -> bool:
    """Whether an entry of a folder is no piece of a checkpoint."""
    return not any(fnmatch(name, pattern) for pattern in _OWN_FILES)


def _tensors_to_write(model: VisionLanguageModel, layout: Layout) -> dict[str, Tensor]:
    """Every parameter once, by the name it has in the files."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, value in model.state_dict(keep_vars=True).items():
        if id(value) in seen:
            continue  # tied: the loader ties it again
        seen.add(id(value))
        if value.is_meta:
            raise InputError(
                f"The model has no weights yet ({key} is on the meta device); load or initialise it first."
            )
        tensors[layout.to_file(key)] = value.detach()
    if layout.family == "llava" and model.config.connector.type == "linear":
        tensors.update(_identity_layer(model))
    return tensors


def _identity_layer(model: VisionLanguageModel) -> dict[str, Tensor]:
    """transformers' LLaVA always has two layers: with the activation "linear" and an identity it computes one."""
    weight = model.get_parameter("connector.projection.weight").detach()
    size = weight.shape[0]
    tensors = {"multi_modal_projector.linear_2.weight": torch.eye(size, dtype=weight.dtype, device=weight.device)}
    if model.config.connector.bias:
        tensors["multi_modal_projector.linear_2.bias"] = weight.new_zeros(size)
    return tensors


def _part_dtypes(model: VisionLanguageModel) -> dict[str, str]:
    """The dtype most of each part's numbers have."""
    sizes: dict[str, dict[str, int]] = {}
    for name, parameter in model.named_parameters():
        counts = sizes.setdefault(part_of(name), {})
        dtype = str(parameter.dtype).removeprefix("torch.")
        counts[dtype] = counts.get(dtype, 0) + parameter.numel()
    return {part: max(counts, key=lambda dtype: counts[dtype]) for part, counts in sizes.items()}


def _facts(model: VisionLanguageModel, processor: Processor, dtypes: dict[str, str]) -> Facts:
    import transformers

    import vistune

    vision = model.config.vision
    qformer = model.config.connector.qformer
    shortened = qformer is not None and processor.max_instruction_tokens != qformer.max_position_embeddings
    own_eps = getattr(vision.backbone, "layer_norm_eps", None)
    return Facts(
        vistune=vistune.__version__,
        transformers=transformers.__version__,
        image_processor=type(processor.image_processor).__name__,
        image_backend="pil" if is_pil(processor.image_processor) else None,
        norm_eps=vision.norm_eps if vision.norm_eps != own_eps else None,
        connector=model.config.connector.type,
        chat_template=processor.chat_template is not None,
        max_instruction_tokens=processor.max_instruction_tokens if shortened else None,
        dtypes=dtypes if len(set(dtypes.values())) > 1 else None,
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """A JSON object, keys sorted."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_generation_config(model: VisionLanguageModel, folder: Path) -> None:
    """As JSON, not by save_pretrained: that refuses combinations which released folders have."""
    from transformers import GenerationConfig

    generation = model.generation_config or GenerationConfig.from_model_config(model.config.language)
    generation.to_json_file(folder / "generation_config.json", use_diff=True)


def write_weights(folder: Path, tensors: dict[str, Tensor], limit: int) -> None:
    """Tensors as safetensors beside config.json; more than ``limit`` bytes in several files with an index."""
    from safetensors.torch import save_file

    shards = list(_shards(tensors, limit))
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file({key: tensors[key].cpu().contiguous() for key in names}, folder / name, metadata={"format": "pt"})
        # safetensors makes files that only their owner can read; the others follow the umask.
        (folder / name).chmod(stat.S_IMODE((folder / "config.json").stat().st_mode))
        weight_map.update(dict.fromkeys(names, name))
    if len(shards) > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        content = {"metadata": {"total_size": total}, "weight_map": weight_map}
        write_json(folder / "model.safetensors.index.json", content)


def _shards(tensors: dict[str, Tensor], limit: int) -> Iterator[list[str]]:
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        if names and size + tensor.nbytes > limit:
            yield names
            names, size = [], 0
        names.append(name)
        size += tensor.nbytes
    yield names
