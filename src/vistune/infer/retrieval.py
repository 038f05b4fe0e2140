"""Which text fits which picture, by BLIP-2's first stage: all pairs compared (ITC), the best ones matched (ITM).

As LAVIS evaluates retrieval (BLIP-2 section 4.4; compute_sim_matrix): the candidates of every picture and of every text
are those of the highest similarity, and what ranks them is similarity plus the matching head's logit of "yes".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vistune.data.batch import pad
from vistune.data.images import open_images, pixel_values
from vistune.data.pairs import PairProcessor, caption_ids
from vistune.errors import InputError
from vistune.model.contrast import image_to_text
from vistune.model.stage1 import Stage1Model

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

# Of BLIP-2's evaluation (k_test).
CANDIDATES = 128


@dataclass(frozen=True)
class RetrievalScores:
    """Scores of all pairs on the CPU, -inf for those that are no candidates.

    similarities: [I, T], the contrast alone. image_to_text: [I, T], ranks texts for each picture. text_to_image:
    [T, I], ranks pictures for each text.
    """

    similarities: Tensor
    image_to_text: Tensor
    text_to_image: Tensor


@torch.inference_mode()
def retrieval_scores(
    model: Stage1Model,
    processor: PairProcessor,
    images: Sequence[ImageRef],
    texts: Sequence[str],
    candidates: int = CANDIDATES,
    batch_size: int = 64,
) -> RetrievalScores:
    """Rank texts for pictures and pictures for texts.

    Args:
        model: in eval mode; each picture goes through its encoder once.
        candidates: how many of each picture's texts, and of each text's pictures, the matching head looks at.
        batch_size: pictures, texts or pairs at a time; no result depends on it.

    Raises:
        InputError: no pictures, no texts, or nonsensical numbers. ImageError: a picture that cannot be opened.
    """
    if not images or not texts or candidates < 1 or batch_size < 1:
        raise InputError(
            f"Retrieval needs pictures, texts, candidates and a batch size of at least 1 each; got {len(images)}, "
            f"{len(texts)}, {candidates} and {batch_size}."
        )
    rows = [caption_ids(text, processor.tokenizer, processor.max_tokens) for text in texts]
    ids, mask = (tensor.to(model.device) for tensor in pad(rows, processor.pad_id, "right"))
    features = [_encode(model, processor, images[part]) for part in _parts(len(images), batch_size)]
    embedded = torch.cat([model.embed_texts(ids[part], mask[part]).float() for part in _parts(len(texts), batch_size)])
    scores = [image_to_text(model.embed_images(some.to(model.device)).float(), embedded) for some in features]
    similarities = torch.cat(scores)
    every = torch.cat(features)

    def ranked(by_row: Tensor, images_first: bool) -> Tensor:
        best = by_row.topk(min(candidates, by_row.shape[1])).indices
        pairs = torch.stack([torch.arange(len(by_row), device=best.device)[:, None].expand_as(best), best], -1)
        pairs = pairs.flatten(0, 1) if images_first else pairs.flatten(0, 1).flip(-1)
        matched = [_matched(model, every, ids, mask, pairs[part]) for part in _parts(len(pairs), batch_size)]
        full = torch.full_like(by_row, float("-inf"))
        return full.scatter(1, best, by_row.gather(1, best) + torch.cat(matched).view_as(best)).cpu()

    return RetrievalScores(similarities.cpu(), ranked(similarities, True), ranked(similarities.T.contiguous(), False))


def _matched(model: Stage1Model, features: Tensor, ids: Tensor, mask: Tensor, pairs: Tensor) -> Tensor:
    """The logit of "yes" for pairs [n, 2] of a picture's and a text's place: [n]"""
    chosen = features[pairs[:, 0].to(features.device)].to(model.device)
    texts = ids[pairs[:, 1]], mask[pairs[:, 1]]
    return model.matching_logits(chosen, *texts)[:, 1].float()


def _encode(model: Stage1Model, processor: PairProcessor, images: Sequence[ImageRef]) -> Tensor:
    """Features [n, P, D], kept on the CPU: those of thousands of pictures do not fit beside the model."""
    pixels = pixel_values(open_images(images), processor.image_processor)
    return model.encode_images(pixels.to(model.device)).cpu()


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
