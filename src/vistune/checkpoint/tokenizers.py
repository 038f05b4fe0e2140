"""Tokenizers and image processor of a folder. Code from the folder is never run unless asked for."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from vistune.checkpoint.locate import read_optional_json
from vistune.errors import CheckpointError

IMAGE_TOKEN = "<image>"
QFORMER_FOLDER = "qformer_tokenizer"
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> Any:
    """The language model's tokenizer, with ``<image>`` as a special token of its own.

    Raises:
        CheckpointError: no tokenizer, or one that needs code from the folder.
    """
    tokenizer = auto_tokenizer(folder, "", trust_remote_code)
    token = image_token_of(tokenizer, folder)
    if token not in tokenizer.get_vocab():
        from transformers import AddedToken

        # transformers' processors add it the same way to folders from before it was part of the vocabulary.
        tokenizer.add_tokens([AddedToken(token, normalized=False, special=True)], special_tokens=True)
    return tokenizer


def load_qformer_tokenizer(folder: Path, trust_remote_code: bool = False) -> Any:
    """The Q-Former's own (BERT) tokenizer. transformers would silently take the language model's if it is missing."""
    if not (folder / QFORMER_FOLDER).is_dir():
        raise CheckpointError(
            f"{str(folder)!r} has no {QFORMER_FOLDER!r} folder, which an instruction-aware Q-Former needs; copy "
            "it from the original checkpoint."
        )
    return auto_tokenizer(folder, QFORMER_FOLDER, trust_remote_code)


def image_token_of(tokenizer: Any, folder: Path) -> str:
    """The text that marks an image."""
    token = getattr(tokenizer, "image_token", None) or processor_settings(folder).get("image_token") or IMAGE_TOKEN
    return str(token["content"] if isinstance(token, dict) else token)


def processor_settings(folder: Path) -> dict[str, Any]:
    """processor_config.json, empty in older folders"""
    return read_optional_json(folder / "processor_config.json")


def load_image_processor(folder: Path, trust_remote_code: bool = False) -> Any:
    """transformers' image processor on its PIL backend.

    With torchvision installed transformers would choose another backend, whose resize gives other pixels.

    Raises:
        CheckpointError: no image processor, or one without a PIL version.
    """
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise CheckpointError(
            f"The image processor of {str(folder)!r} cannot be loaded ({_remote_or_first_line(error)}); expected "
            "processor_config.json or preprocessor_config.json as transformers writes them."
        ) from error
    if not is_pil(processor) and not trust_remote_code:
        raise CheckpointError(
            f"The image processor {type(processor).__name__} of {str(folder)!r} has no PIL backend; use a "
            "checkpoint with transformers' BLIP, CLIP or SigLIP image processor."
        )
    return processor


def is_pil(image_processor: Any) -> bool:
    """Whether an image processor computes with Pillow and numpy."""
    from transformers.image_processing_backends import PilBackend

    return isinstance(image_processor, PilBackend)


def load_chat_template(folder: Path, tokenizer: Any, wanted: bool | None) -> str | None:
    """The Jinja text that turns a message into a prompt, None if there is none for pictures.

    Args:
        wanted: what the folder's own facts say; None: a template that never mentions images is the language model's own
            and cannot place one.
    """
    settings = processor_settings(folder)
    jinja = folder / "chat_template.jinja"
    template: Any = jinja.read_text(encoding="utf-8") if jinja.is_file() else None
    template = template or read_optional_json(folder / "chat_template.json").get("chat_template")
    template = template or settings.get("chat_template") or tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template is None or wanted is False or (wanted is None and "image" not in template):
        return None
    return str(template)


def auto_tokenizer(folder: Path, subfolder: str = "", trust_remote_code: bool = False) -> Any:
    """The tokenizer in a folder, or in one below it, as it stands there.

    Raises:
        CheckpointError: there is none, or it cannot be loaded.
    """
    from transformers import AutoTokenizer

    place = folder / subfolder if subfolder else folder
    if not any((place / name).is_file() for name in _VOCABULARIES):
        # transformers would make an empty tokenizer and say nothing.
        raise CheckpointError(
            f"There is no tokenizer in {str(place)!r}; expected one of {', '.join(_VOCABULARIES)}: copy it from the "
            "original checkpoint."
        )
    try:
        # The folder itself, not `subfolder=`: then config.json of the whole model plays no part in the choice of class.
        return AutoTokenizer.from_pretrained(place, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        raise CheckpointError(
            f"The tokenizer in {str(place)!r} cannot be loaded ({_remote_or_first_line(error)}); expected "
            "tokenizer.json and tokenizer_config.json as transformers writes them."
        ) from error


def _remote_or_first_line(error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return "it needs code from the folder; pass trust_remote_code=True only if you trust that code"
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return textwrap.shorten(first_line, 160, placeholder=" ...")
