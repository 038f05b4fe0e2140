"""Which text fits which picture, by BLIP-2's first stage: all pairs compared (ITC), the best ones matched (ITM).

As LAVIS evaluates retrieval (BLIP-2 section 4.4; compute_sim_matrix): the candidates of every picture and of every text
are those of the highest similarity, and what ranks them is similarity plus the matching head's logit of "yes". That
logit is the same from both sides, so a pair that is a candidate from both is matched once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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

# Of BLIP-2's evaluation: k_test, and the length of texts in compute_sim_matrix, which is not that of training.
CANDIDATES = 128
MAX_TOKENS = 35
_THREADS = 4


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
    rows = text_tokens(model, processor, texts)
    encoded = [encode_images(model, processor, images[part]) for part in parts(len(images), batch_size)]
    embedded = [embed_texts(model, processor, rows[part]) for part in parts(len(rows), batch_size)]
    scores = similarities(torch.cat([embeddings for _, embeddings in encoded]), torch.cat(embedded), model.device)
    chosen = Candidates.of(scores, candidates)
    logits = torch.full_like(scores, float("nan"))
    features = (one for some, _ in encoded for one in some)
    for own, wanted, one in zip(logits, chosen.pairs(), features, strict=True):
        places = wanted.nonzero().flatten()
        own[places] = matches(model, processor, one, [rows[place] for place in places.tolist()], batch_size)
    return chosen.ranked(scores, logits)


@dataclass(frozen=True)
class Candidates:
    """Places of what the matching head looks at: [I, k] texts of each picture, [T, k] pictures of each text."""

    texts: Tensor
    images: Tensor

    @classmethod
    def of(cls, scores: Tensor, count: int) -> Candidates:
        """The most similar ones by similarities [I, T]."""
        sides = (scores, scores.T)
        return cls(*(side.topk(min(count, side.shape[1])).indices for side in sides))

    def pairs(self) -> Tensor:
        """[I, T] bool: candidates from either side."""
        wanted = torch.zeros(len(self.texts), len(self.images), dtype=torch.bool)
        wanted.scatter_(1, self.texts, True)
        wanted.T.scatter_(1, self.images, True)
        return wanted

    def ranked(self, scores: Tensor, logits: Tensor) -> RetrievalScores:
        """Similarities and logits [I, T] of at least the pairs, put together."""
        both = scores + logits

        def kept(side: Tensor, best: Tensor) -> Tensor:
            return torch.full(side.shape, float("-inf")).scatter(1, best, side.gather(1, best))

        return RetrievalScores(scores, kept(both, self.texts), kept(both.T, self.images))


def text_tokens(model: Stage1Model, processor: PairProcessor, texts: Sequence[str]) -> list[list[int]]:
    """Texts as tokens, longer ones cut as LAVIS cuts them for retrieval."""
    most = min(MAX_TOKENS, model.config.qformer.max_position_embeddings)
    return [caption_ids(text, processor.tokenizer, most) for text in texts]


def encode_images(model: Stage1Model, processor: PairProcessor, images: Sequence[ImageRef]) -> tuple[Tensor, Tensor]:
    """Features [n, P, D] as the model computes them, and embeddings [n, Q, E] in float32; on the CPU, where those of
    thousands of pictures have room.

    Raises:
        ImageError: a picture cannot be opened.
    """

    def opened(image: ImageRef) -> Tensor:
        return pixel_values(open_images([image]), processor.image_processor)

    # Reading and decoding let other threads run.
    with ThreadPoolExecutor(_THREADS) as pool:
        pixels = torch.cat(list(pool.map(opened, images)))
    features = model.encode_images(pixels.to(model.device))
    return features.cpu(), model.embed_images(features).float().cpu()


def embed_texts(model: Stage1Model, processor: PairProcessor, rows: Sequence[list[int]]) -> Tensor:
    """Texts as tokens, to [n, E] in float32 on the CPU."""
    ids, mask = (tensor.to(model.device) for tensor in pad(rows, processor.pad_id, "right"))
    return model.embed_texts(ids, mask).float().cpu()


def similarities(images: Tensor, texts: Tensor, device: torch.device) -> Tensor:
    """Embeddings [I, Q, E] and [T, E] to [I, T] on the CPU, computed on ``device``.

    A picture at a time, so that no figure depends on which others are beside it.
    """
    texts = texts.to(device)
    found = torch.empty(len(images), len(texts))
    for row, one in zip(found, images, strict=True):
        row.copy_(image_to_text(one[None].to(device), texts)[0])
    return found


def matches(
    model: Stage1Model, processor: PairProcessor, features: Tensor, rows: Sequence[list[int]], batch_size: int
) -> Tensor:
    """The logit of "yes" of one picture, features [P, D], with each of n texts as tokens: [n] in float32 on the CPU."""
    logits = torch.empty(len(rows))
    # Texts of like length beside each other need little padding.
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    own = features.to(model.device)[None]
    for part in parts(len(rows), batch_size):
        places = order[part]
        ids, mask = (tensor.to(model.device) for tensor in pad([rows[i] for i in places], processor.pad_id, "right"))
        same = torch.zeros(len(places), dtype=torch.long, device=model.device)
        found = model.matching_logits(own, ids, mask, same)
        logits[places] = found[:, 1].float().cpu()
    return logits


def parts(count: int, size: int) -> Iterator[slice]:
    """0..count in slices of at most ``size``."""
    return (slice(start, start + size) for start in range(0, count, size))
