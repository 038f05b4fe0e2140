"""The names of tensors in the files of each family, and the names of the same tensors in a VisionLanguageModel.

==============  =================================================================  =====================
ours            InstructBLIP, BLIP-2                                               LLaVA
==============  =================================================================  =====================
vision          vision_model.                                                      vision_tower.
connector       query_tokens, qformer., language_projection.                       multi_modal_projector.
language        language_model.                                                    language_model., lm_head.
==============  =================================================================  =====================

LLaVA folders come in two generations: ``language_model.model.*`` with ``vision_tower.vision_model.*`` (the hub) and
``model.language_model.*`` with ``lm_head.weight`` (transformers 4.52 and later in memory). Both are read. The first is
written, because every version of transformers and vLLM reads it. Our own combinations use our own names.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vistune.model.vlm import VisionLanguageModel

Family = Literal["instructblip", "blip-2", "llava", "vistune"]
Table = list[tuple[str, str]]

_VISION = "vision.backbone."
_INNER = "vision_model."

_INSTRUCTBLIP: Table = [
    ("vision_model.", _VISION),
    ("query_tokens", "connector.query_tokens"),
    ("qformer.", "connector.qformer."),
    ("language_projection.", "connector.projection."),
    ("language_model.", "language.model."),
]
# BLIP-2's Q-Former keeps its first norm outside of the embeddings; text embeddings, where there are any, stand at the
# top (as in transformers' Blip2ForImageTextRetrieval).
_BLIP2: Table = [
    ("qformer.layernorm.", "connector.qformer.embeddings.layernorm."),
    ("embeddings.", "connector.qformer.embeddings."),
    *_INSTRUCTBLIP,
]

# Buffers that older versions stored and newer ones compute: nothing is lost by not reading them.
COMPUTED = re.compile(r"(^|\.)(position_ids|rotary_emb\.inv_freq|attn\.bias|attn\.masked_bias)$")
_TEXT_FEED_FORWARD = re.compile(r"^qformer\.encoder\.layer\.\d+\.(intermediate|output)\.")


@dataclass(frozen=True)
class Layout:
    """Translation between the names in files and our names, for one family and one model.

    Args:
        reading: (prefix in files, our prefix), the first that fits counts. writing: the same for the other direction.
        skipped: patterns of names in files that are left alone knowingly.
    """

    family: Family
    reading: Table
    writing: Table
    skipped: tuple[re.Pattern[str], ...]

    def to_ours(self, file_key: str, known: Collection[str]) -> str | None:
        """Our name of a tensor in the files, None if the model has no such tensor."""
        for prefix, ours in self.reading:
            if not file_key.startswith(prefix):
                continue
            name = ours + file_key[len(prefix) :]
            for candidate in (name, *_vision_variants(name)):
                if candidate in known:
                    return candidate
        return None

    def to_file(self, key: str) -> str:
        """The name that is written for one of our tensors."""
        for file_prefix, ours in self.writing:
            if key.startswith(ours):
                return file_prefix + key[len(ours) :]
        return key

    def is_skipped(self, file_key: str) -> bool:
        """Whether a tensor of the files is known not to be needed."""
        return any(pattern.search(file_key) for pattern in self.skipped)


def _vision_variants(name: str) -> tuple[str, ...]:
    """CLIP and SigLIP had, and lost, an inner ``vision_model``."""
    if not name.startswith(_VISION):
        return ()
    rest = name[len(_VISION) :]
    return (_VISION + (rest[len(_INNER) :] if rest.startswith(_INNER) else _INNER + rest),)


def layout_of(family: Family, model: VisionLanguageModel) -> Layout:
    """The names of one family's files for this model (which may be on the meta device)."""
    skipped = [COMPUTED]
    for part in (model.vision.backbone, model.language.model):
        skipped += [re.compile(pattern) for pattern in getattr(part, "_keys_to_ignore_on_load_unexpected", None) or ()]
    if family == "vistune":
        return Layout(family, [("", "")], [], tuple(skipped))
    if family == "llava":
        return _llava(model, skipped)
    if family == "instructblip":
        return Layout(family, _INSTRUCTBLIP, _INSTRUCTBLIP, tuple(skipped))
    qformer = model.config.connector.qformer
    if qformer is not None and not qformer.text_input:
        # Without text embeddings the text feed-forward of use_qformer_text_input=True is never run.
        skipped.append(_TEXT_FEED_FORWARD)
    return Layout(family, _BLIP2, _BLIP2, tuple(skipped))


def _llava(model: VisionLanguageModel, skipped: list[re.Pattern[str]]) -> Layout:
    decoder = f"language.model.{model.language.model.base_model_prefix}."
    projector: Table = [("linear_1.", "connector.projection.")] if model.config.connector.type == "linear" else []
    projector = [*projector, ("", "connector.")]
    if model.config.connector.type == "linear":
        skipped.append(re.compile(r"multi_modal_projector\.linear_2\."))  # the identity, checked by the config reader
    first: Table = [
        ("vision_tower.", _VISION),
        *(("multi_modal_projector." + file, ours) for file, ours in projector),
        ("language_model.", "language.model."),
        ("language_model.model.", decoder),
    ]
    second: Table = [
        ("model.vision_tower.", _VISION),
        *(("model.multi_modal_projector." + file, ours) for file, ours in projector),
        ("model.language_model.", decoder),
        ("lm_head.", "language.model.lm_head."),
    ]
    inner = _INNER if model.config.vision.backbone.model_type in ("clip_vision_model", "siglip_vision_model") else ""
    writing: Table = [
        ("vision_tower." + inner, _VISION),
        *first[1:-2],
        ("language_model.model.", decoder),
        ("language_model.", "language.model."),
    ]
    return Layout("llava", [*first, *second], writing, tuple(skipped))


def part_of(key: str) -> str:
    """The part a tensor belongs to, by our name: vision, connector or language."""
    return key.partition(".")[0]


def part_of_file_key(key: str) -> str:
    """The part that a name in a file suggests."""
    for part, words in (
        ("vision", ("vision", "visual")),
        ("connector", ("qformer", "query_tokens", "projector", "projection", "llm_proj.", "t5_proj.", "opt_proj.")),
        ("language", ("language", "lm_head", "layers.", "embed_tokens")),
    ):
        if any(word in key for word in words):
            return part
    return "unknown part"
