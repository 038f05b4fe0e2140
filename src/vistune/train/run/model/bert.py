"""BERT's weights by the names of the Q-Former that begins from them (BLIP-2 section 3.1; LAVIS, init_Qformer)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vistune.checkpoint.weights import WeightFiles

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_QFORMER = "connector.qformer."
_HEAD = "heads.cls.predictions."


def bert_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of a BERT folder by our names.

    The feed-forward for queries begins as that for text does; the released files are from before LayerNorm's weights
    had their present names.
    """
    found: dict[str, Tensor] = {}
    for name, entry in WeightFiles(folder).entries.items():
        modern = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
        for ours in _ours(modern):
            found[ours] = entry.read()
    return found


def _ours(name: str) -> Iterator[str]:
    if name.startswith("cls.predictions."):
        rest = name.removeprefix("cls.predictions.")
        yield _HEAD + ("decoder.bias" if rest == "bias" else rest)
        return
    rest = name.removeprefix("bert.")
    if rest.startswith("embeddings."):
        yield _QFORMER + rest.replace("LayerNorm", "layernorm")
    elif rest.startswith("encoder.layer."):
        inner = re.sub(r"\.attention\.self\.", ".attention.attention.", rest)
        yield _QFORMER + inner
        # The text's feed-forward, not the attention's output of the same name.
        feed_forward = re.fullmatch(r"(encoder\.layer\.\d+)\.(intermediate|output)\.(.+)", inner)
        if feed_forward is not None:
            layer, block, leaf = feed_forward.groups()
            yield f"{_QFORMER}{layer}.{block}_query.{leaf}"
