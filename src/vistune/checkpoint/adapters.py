"""Adapters on disk: what was trained beside a base model, without the base.

    adapter.json                 the base (a hub name, a path, or "../name" of a folder beside this one), what is here
    language/adapter_config.json, adapter_model.safetensors
                                 as peft writes them: PeftModel.from_pretrained loads them on the bare language model
    vision/, qformer/            the same for these parts
    trained.safetensors          other parameters that were trained, such as LLaVA's projection, by vistune's names

Only the names that are in here are ever read; the weights of the base are its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vistune.checkpoint.atomic import replace_folder
from vistune.checkpoint.key_names import compress
from vistune.checkpoint.locate import ADAPTER_FILE, locate, read_json
from vistune.errors import CheckpointError, RecipeError
from vistune.model.lora import (
    LoraPart,
    LoraSettings,
    add_lora,
    fill_lora,
    is_lora,
    lora_parts,
    lora_tensors,
    part_module,
)

if TYPE_CHECKING:
    from vistune.model.vlm import VisionLanguageModel

TRAINED_FILE = "trained.safetensors"
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
_FORMAT = 1


def save_adapter(model: VisionLanguageModel, folder: str | Path, base: str | Path, revision: str | None = None) -> None:
    """Write the adapters, and what else requires gradients, as a folder that appears whole or not at all.

    Args:
        base: the checkpoint, folder or hub name, that the model was loaded from. revision: of a hub name.

    Raises:
        RecipeError: there are no adapters. CheckpointError: no such base. StorageError: a full disk.
    """
    parts = lora_parts(model)
    if not parts:
        raise RecipeError("The model has no adapters to save; save it whole, with save_model.")
    trained = {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not is_lora(name)
    }
    adapters = {part: lora_tensors(part_module(model, part)) for part in parts}
    content = {
        "format": _FORMAT,
        "base": _base_name(base, Path(folder)),
        "revision": revision,
        "base_config": _config_hash(locate(base, revision)),
        "parts": parts,
        "trained": sorted(trained),
    }
    size = sum(tensor.nbytes for tensors in (trained, *adapters.values()) for tensor in tensors.values())
    with replace_folder(folder, keep=_is_foreign, expected_bytes=size) as new:
        (new / ADAPTER_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        for part, tensors in adapters.items():
            _write_part(new / part, part_module(model, part), tensors, str(base))
        if trained:
            _write_tensors(new / TRAINED_FILE, trained)


def is_adapter(folder: Path) -> bool:
    """Whether a folder is one that :func:`save_adapter` wrote."""
    return (folder / ADAPTER_FILE).is_file()


def base_folder(folder: Path, base: str | Path | None = None, revision: str | None = None) -> Path:
    """The folder of the base model that adapters were trained on, whose config and tokenizer are theirs too.

    Args:
        base: where it is, if it is no longer where it was; with the revision of a hub name.

    Raises:
        CheckpointError: it is not there, or another one is.
    """
    content = _read(folder)
    if base is None:
        base, revision = _base_place(content["base"], folder), content["revision"]
    try:
        place = locate(base, revision)
    except CheckpointError as error:
        raise CheckpointError(
            f"The adapters in {str(folder)!r} belong to the base model {str(base)!r}, which is not there; bring it "
            f'back, or write its new place as "base" into {ADAPTER_FILE}.'
        ) from error
    if _config_hash(place) != content["base_config"]:
        raise CheckpointError(
            f"The config.json of {str(base)!r} is not that of the base model which the adapters in {str(folder)!r} "
            "were trained on; give the right base."
        )
    return place


def put_adapter(model: VisionLanguageModel, folder: str | Path) -> None:
    """Put saved adapters, and what else was trained, on a model that has the base's weights (in few bits or not).

    Raises:
        CheckpointError: damaged files, or tensors that do not fit.
    """
    path = Path(folder).expanduser()
    content = _read(path)
    add_lora(model, {part: _settings(path / part) for part in content["parts"]})
    for part in content["parts"]:
        wrong = fill_lora(part_module(model, part), _read_tensors(path / part / WEIGHTS_FILE))
        if wrong:
            raise CheckpointError(f"The adapters in {str(path / part)!r} do not fit the model: {compress(wrong)}.")
    trained = _read_tensors(path / TRAINED_FILE) if content["trained"] else {}
    parameters = dict(model.named_parameters())
    wrong = [n for n, value in trained.items() if n not in parameters or parameters[n].shape != value.shape]
    wrong += sorted(set(content["trained"]) ^ set(trained))
    if wrong:
        raise CheckpointError(f"{str(path / TRAINED_FILE)!r} does not fit the model: {compress(wrong)}.")
    with torch.no_grad():
        for name, value in trained.items():
            parameters[name].copy_(value)
            parameters[name].requires_grad_(True)


def _base_name(base: str | Path, folder: Path) -> str:
    """A hub name as it is; a folder by its whole path, or from the adapters' own folder if it stands beside it, so that
    both can be moved."""
    place = Path(base).expanduser()
    if not place.is_dir():
        return str(base)
    beside = folder.expanduser().resolve().parent
    place = place.resolve()
    return f"../{place.relative_to(beside).as_posix()}" if beside in place.parents else str(place)


def _base_place(base: str, folder: Path) -> str | Path:
    return (folder / base).resolve() if base.startswith("../") else base


def _write_part(folder: Path, module: Any, tensors: Mapping[str, Tensor], base: str) -> None:
    folder.mkdir()
    config = module.peft_config["default"].to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    config.update(base_model_name_or_path=base, inference_mode=True)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _write_tensors(folder / WEIGHTS_FILE, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()})


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    save_file(tensors, path, metadata={"format": "pt"})


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read ({error}); fetch or save the adapters again.") from error


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path / ADAPTER_FILE)
    expected = {"format", "base", "revision", "base_config", "parts", "trained"}
    if content.get("format") != _FORMAT or not expected <= content.keys():
        raise CheckpointError(
            f"{str(path / ADAPTER_FILE)!r} is not of format {_FORMAT}; use the version of vistune that wrote it."
        )
    return content


def _settings(folder: Path) -> LoraSettings:
    config = read_json(folder / CONFIG_FILE)
    try:
        return LoraSettings(
            r=int(config["r"]),
            alpha=float(config["lora_alpha"]),
            dropout=float(config["lora_dropout"]),
            targets=tuple(config["target_modules"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{str(folder / CONFIG_FILE)!r} is no LoRA configuration ({type(error).__name__}: {error}); save the "
            "adapters again."
        ) from error


def _config_hash(folder: Path) -> str:
    return hashlib.blake2b((folder / "config.json").read_bytes(), digest_size=16).hexdigest()


def _is_foreign(name: str) -> bool:
    parts: tuple[LoraPart, ...] = ("vision", "qformer", "language")
    return name not in (ADAPTER_FILE, TRAINED_FILE, *parts)
