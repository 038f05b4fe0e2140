"""What several prompts of a batch begin with, read once: the words before a picture and the picture itself.

For decoder-only models whose picture embeddings do not depend on the question (LLaVA's and BLIP-2's; InstructBLIP's
Q-Former reads the instruction). Keys and values of the beginning are computed once a picture and copied to its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.infer.caches import cache_pairs, is_growing, make_cache
from vistune.infer.reading import read_at_once, read_in_groups

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache

    from vistune.data.batch import Encoded
    from vistune.model.vlm import VisionLanguageModel

# Rows to one beginning from which sharing is worth the copies.
_WORTH = 2


def shared_beginning(
    model: VisionLanguageModel, samples: Sequence[Encoded], embeds: Tensor, mask: Tensor
) -> DynamicCache | None:
    """The cache of a left-padded batch's first columns, None where too few rows share their beginning.

    Args:
        samples: rows of one picture hold the same ``image_features`` object. embeds: [B, L, d]. mask: [B, L].

    Returns:
        Of P columns, as many as the beginning has tokens; what follows them, [B, L - P], is left to be read.
    """
    length = _length(model, samples)
    if not length:
        return None
    names = [(id(sample.image_features), tuple(sample.input_ids[:length])) for sample in samples]
    distinct = list(dict.fromkeys(names))
    if len(distinct) * _WORTH > len(samples):
        return None
    padding = (mask.shape[1] - mask.sum(1)).tolist()
    firsts = [names.index(name) for name in distinct]
    begins = torch.stack([embeds[row, padding[row] : padding[row] + length] for row in firsts])
    ones = mask.new_ones(begins.shape[:2])
    _, cache = read_in_groups(model.language, begins, ones) or read_at_once(model.language, begins, ones)
    if not is_growing(cache):
        return None
    places = [distinct.index(name) for name in names]
    return make_cache([(_placed(k, places, padding), _placed(v, places, padding)) for k, v in cache_pairs(cache)])


def reads_pictures_once(model: VisionLanguageModel) -> bool:
    """Whether questions about one picture can share what the language model has read of it."""
    language = model.language
    return not (language.is_encoder_decoder or model.config.instruction_aware) and language.takes_positions


def _length(model: VisionLanguageModel, samples: Sequence[Encoded]) -> int:
    """Tokens up to and with the last picture, the fewest of all rows; 0 where beginnings cannot be shared."""
    if not reads_pictures_once(model) or any(sample.image_features is None for sample in samples):
        return 0
    token = model.config.image_token_id
    ends = [len(sample.input_ids) - sample.input_ids[::-1].index(token) for sample in samples]
    # One token at least is left to read, for the logits of the next one.
    return min(*ends, *(len(sample.input_ids) - 1 for sample in samples))


def _placed(values: Tensor, places: Sequence[int], padding: Sequence[int]) -> Tensor:
    """Keys or values [U, H, P, D] of the beginnings -> [B, H, P, D], moved right by each row's padding."""
    length = values.shape[2]
    placed = values.new_zeros(len(places), *values.shape[1:])
    for row, (place, pad) in enumerate(zip(places, padding, strict=True)):
        if pad < length:
            placed[row, :, pad:] = values[place, :, : length - pad]
    return placed
