"""BLIP-2's first stage on disk: image encoder, Q-Former and heads, with no language model yet.

    config.json             model_type "vistune-stage1": the sizes of encoder and Q-Former, [DEC]
    model.safetensors       all tensors by vistune's names
    qformer_tokenizer/      the tokenizer of the captions, with [DEC]
    preprocessor_config.json

=====================================  ================================================================
vistune                                LAVIS (blip2_pretrained.pth)
=====================================  ================================================================
vision.backbone.*                      visual_encoder.*
vision.backbone.post_layernorm.*       ln_vision.*
connector.query_tokens                 query_tokens
connector.qformer.*                    Qformer.bert.* (attention.attention.* is attention.self.* there)
heads.cls.predictions.*                Qformer.cls.predictions.*
heads.vision_proj.*, text_proj.*       vision_proj.*, text_proj.*
heads.itm_head.*, heads.temp           itm_head.*, temp
=====================================  ================================================================

Salesforce's release of the first stage on the hub (blip2-itm-vit-g, transformers' Blip2ForImageTextRetrieval) is read
too; it lacks the caption head and the temperature, which are fresh then.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vistune.checkpoint.assemble import ParametersOnMeta, assign
from vistune.checkpoint.atomic import replace_folder
from vistune.checkpoint.config_reader import QFORMER_SHARED, part_config
from vistune.checkpoint.config_writer import part_dict
from vistune.checkpoint.layouts import COMPUTED, Layout, Table
from vistune.checkpoint.locate import locate, read_json
from vistune.checkpoint.save import is_foreign, parse_size, write_json, write_weights
from vistune.checkpoint.strict import match_keys, tie_groups
from vistune.checkpoint.tokenizers import QFORMER_FOLDER, auto_tokenizer, load_image_processor
from vistune.checkpoint.weights import WeightFiles
from vistune.data.pairs import PairProcessor, add_decoder_token
from vistune.errors import CheckpointError, InputError
from vistune.model.config import QFormerConfig, VisionConfig
from vistune.model.stage1 import Stage1Config, Stage1Model

MODEL_TYPE = "vistune-stage1"
_RETRIEVAL = "Blip2ForImageTextRetrieval"
_RETRIEVAL_NAMES: Table = [
    ("vision_model.", "vision.backbone."),
    ("query_tokens", "connector.query_tokens"),
    ("qformer.layernorm.", "connector.qformer.embeddings.layernorm."),
    ("embeddings.", "connector.qformer.embeddings."),
    ("qformer.", "connector.qformer."),
    ("vision_projection.", "heads.vision_proj."),
    ("text_projection.", "heads.text_proj."),
    ("itm_head.", "heads.itm_head."),
]
# What Blip2ForImageTextRetrieval does not have.
_ONLY_OURS = ("heads.cls.", "heads.temp")


def is_stage1(folder: Path) -> bool:
    """Whether a folder holds a first stage."""
    path = folder / "config.json"
    return path.is_file() and _kind(read_json(path)) is not None


def save_stage1(model: Stage1Model, processor: PairProcessor, folder: str | Path) -> None:
    """Write a first stage as a folder that appears whole or not at all.

    Raises:
        StorageError: a full disk or a folder that cannot be written. InputError: the model has no weights yet.
    """
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in model.state_dict(keep_vars=True).items():
        # The projection of a connector that already has a language model is none of this stage's; what is tied once.
        if name.startswith("connector.projection.") or id(value) in seen:
            continue
        if value.is_meta:
            raise InputError(f"The model has no weights yet ({name} is on the meta device); load or initialise it.")
        seen.add(id(value))
        tensors[name] = value.detach()
    with replace_folder(folder, keep=is_foreign, expected_bytes=sum(t.nbytes for t in tensors.values())) as new:
        write_json(new / "config.json", _to_dict(model.config, processor))
        processor.image_processor.save_pretrained(new)
        processor.tokenizer.save_pretrained(new / QFORMER_FOLDER)
        write_weights(new, tensors, parse_size("5GB"))


def load_stage1(
    path_or_hub_id: str | Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    revision: str | None = None,
) -> tuple[Stage1Model, PairProcessor]:
    """A first stage in eval mode, and what reads its pictures and texts.

    Args:
        dtype: of the weights; None: as they are stored. revision: branch, tag or commit of a hub name.

    Raises:
        CheckpointError: no first stage, damaged files, or weights that do not fit: every key is named.
    """
    folder = locate(path_or_hub_id, revision)
    raw = read_json(folder / "config.json")
    kind = _kind(raw)
    if kind is None:
        raise CheckpointError(
            f"{str(path_or_hub_id)!r} holds a model of type {raw.get('model_type')!r}, expected a first stage of "
            f"BLIP-2 ({MODEL_TYPE!r})."
        )
    processor = _processor(folder, raw, kind)
    try:
        config = _from_dict(raw) if kind == MODEL_TYPE else _from_retrieval(folder, processor.tokenizer)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{str(folder / 'config.json')!r} cannot be understood ({type(error).__name__}: {error}); expected what "
            "save_stage1 writes."
        ) from error
    model = _empty(config, fresh_heads=kind != MODEL_TYPE)
    _fill(model, folder, kind, torch.device(device), dtype)
    return model.eval(), processor


def _kind(raw: dict[str, Any]) -> str | None:
    if raw.get("model_type") == MODEL_TYPE:
        return MODEL_TYPE
    return _RETRIEVAL if _RETRIEVAL in (raw.get("architectures") or ()) else None


def _empty(config: Stage1Config, fresh_heads: bool) -> Stage1Model:
    from transformers.initialization import no_init_weights

    with ParametersOnMeta(), no_init_weights():
        model = Stage1Model(config)
    if fresh_heads:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model.heads = type(model.heads)(config.qformer, config.image_text_size, config.temperature)
        model.heads.tie(model.connector.qformer.embeddings.word_embeddings)
    return model


def _fill(model: Stage1Model, folder: Path, kind: str, device: torch.device, dtype: torch.dtype | None) -> None:
    files = WeightFiles(folder)
    ours = kind == MODEL_TYPE
    layout = Layout("vistune", [("", "")], [], (COMPUTED,))
    if not ours:
        layout = Layout("blip-2", _RETRIEVAL_NAMES, _RETRIEVAL_NAMES, (COMPUTED,))
    expected = {
        name: value
        for name, value in model.state_dict(keep_vars=True).items()
        if ours or not name.startswith(_ONLY_OURS)
    }
    sources = match_keys(files, layout, {name: tuple(v.shape) for name, v in expected.items()}, tie_groups(model))
    words = model.connector.qformer.embeddings.word_embeddings
    for name, source in sources.items():
        tensor = files.entries[source].read()
        tensor = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None).contiguous()
        assign(model, name, nn.Parameter(tensor) if tensor.is_floating_point() else tensor)
    model.heads.tie(words)
    # What has come from no file: fresh heads, and buffers that are computed.
    model.to(device=device, dtype=dtype)


def _to_dict(config: Stage1Config, processor: PairProcessor) -> dict[str, Any]:
    vision = config.vision
    return {
        "model_type": MODEL_TYPE,
        "architectures": [Stage1Model.__name__],
        "vision": {
            "backbone": part_dict(vision.backbone),
            "feature_layer": vision.feature_layer,
            "keep_cls": vision.keep_cls,
            "norm_eps": vision.norm_eps,
        },
        "qformer": asdict(config.qformer),
        "decoder_token_id": config.decoder_token_id,
        "image_text_size": config.image_text_size,
        "temperature": config.temperature,
        "max_tokens": processor.max_tokens,
    }


def _from_dict(raw: dict[str, Any]) -> Stage1Config:
    vision = raw["vision"]
    layer = vision["feature_layer"]
    return Stage1Config(
        VisionConfig(
            part_config(vision["backbone"]),
            tuple(layer) if isinstance(layer, list) else layer,
            vision["keep_cls"],
            vision["norm_eps"],
        ),
        QFormerConfig(**raw["qformer"]),
        decoder_token_id=raw["decoder_token_id"],
        image_text_size=raw["image_text_size"],
        temperature=raw["temperature"],
    )


def _from_retrieval(folder: Path, tokenizer: Any) -> Stage1Config:
    from transformers import Blip2Config

    source: Any = Blip2Config.from_pretrained(folder)
    theirs = source.qformer_config
    qformer = QFormerConfig(
        **{name: getattr(theirs, name) for name in QFORMER_SHARED if getattr(theirs, name, None) is not None},
        hidden_dropout=theirs.hidden_dropout_prob,
        attention_dropout=theirs.attention_probs_dropout_prob,
        num_query_tokens=source.num_query_tokens,
        instruction_aware=False,
    )
    return Stage1Config(
        VisionConfig(source.vision_config), qformer, add_decoder_token(tokenizer), source.image_text_hidden_size
    )


def _processor(folder: Path, raw: dict[str, Any], kind: str) -> PairProcessor:
    tokenizer = auto_tokenizer(folder, QFORMER_FOLDER if kind == MODEL_TYPE else "")
    extra = {"max_tokens": int(raw["max_tokens"])} if "max_tokens" in raw else {}
    return PairProcessor(tokenizer, load_image_processor(folder), **extra)
