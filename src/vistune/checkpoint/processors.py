"""Our Processor from a folder, and back as the processor that transformers has for the family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vistune.checkpoint.config_reader import Folder
from vistune.checkpoint.config_writer import select_strategy
from vistune.checkpoint.layouts import Family
from vistune.checkpoint.tokenizers import (
    QFORMER_FOLDER,
    image_token_of,
    load_chat_template,
    load_image_processor,
    load_qformer_tokenizer,
)
from vistune.data.processor import Processor
from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.model.config import ModelConfig


def build_processor(folder: Folder) -> Processor:
    """Tokenizers, image processor and prompt format of a folder."""
    config, trust = folder.config, folder.trust_remote_code
    qformer = config.connector.qformer
    max_positions = 512 if qformer is None else qformer.max_position_embeddings
    # A Q-Former with text parts that are not in use yet may have its tokenizer beside it for the next stage.
    reads_text = config.instruction_aware or (qformer is not None and (folder.path / QFORMER_FOLDER).is_dir())
    return Processor(
        folder.tokenizer,
        load_image_processor(folder.path, trust),
        image_token_id=config.image_token_id,
        num_image_tokens=config.num_image_tokens,
        image_first=config.image_first,
        encoder_decoder=bool(config.language.is_encoder_decoder),
        qformer_tokenizer=load_qformer_tokenizer(folder.path, trust) if reads_text else None,
        max_instruction_tokens=folder.facts.max_instruction_tokens or max_positions,
        image_token=image_token_of(folder.tokenizer, folder.path),
        chat_template=load_chat_template(folder.path, folder.tokenizer, folder.facts.chat_template),
    )


def write_processor(processor: Processor, config: ModelConfig, family: Family, folder: Path) -> None:
    """Write tokenizers, image processor and chat template; ``transformers.AutoProcessor`` loads them.

    Raises:
        InputError: the connector reads the instruction and the processor has no tokenizer for it.
    """
    if config.instruction_aware and processor.qformer_tokenizer is None:
        raise InputError(
            "This model's Q-Former reads the instruction, but the processor has no qformer_tokenizer; give it one."
        )
    theirs = _transformers_processor(processor, config, family)
    if theirs is not None:
        theirs.save_pretrained(folder)
    else:
        processor.tokenizer.save_pretrained(folder)
        processor.image_processor.save_pretrained(folder)
    if processor.qformer_tokenizer is not None and family != "instructblip":
        processor.qformer_tokenizer.save_pretrained(folder / QFORMER_FOLDER)
    if processor.chat_template is not None:
        (folder / "chat_template.jinja").write_text(processor.chat_template, encoding="utf-8")


def _transformers_processor(processor: Processor, config: ModelConfig, family: Family) -> Any | None:
    from transformers import Blip2Processor, InstructBlipProcessor, LlavaProcessor

    images, tokenizer = processor.image_processor, processor.tokenizer
    if family == "instructblip":
        return InstructBlipProcessor(images, tokenizer, processor.qformer_tokenizer, processor.num_image_tokens)
    if family == "blip-2":
        return Blip2Processor(images, tokenizer, processor.num_image_tokens)
    if family == "llava":
        return LlavaProcessor(
            images,
            tokenizer,
            patch_size=config.vision.backbone.patch_size,
            vision_feature_select_strategy=select_strategy(config),
            chat_template=processor.chat_template,
            image_token=processor.image_token,
            num_additional_image_tokens=1 if config.vision.has_cls else 0,
        )
    return None
