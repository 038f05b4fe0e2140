"""Vocabulary ranking (InstructBLIP section 2.5): which candidate the model finds most likely after the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from vistune.errors import InputError
from vistune.infer.scoring import score_all

if TYPE_CHECKING:
    from vistune.data.batch import Encoded, Side
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel

Candidates = Sequence[str] | Sequence[Sequence[str]]


@dataclass(frozen=True)
class Ranking:
    """Candidates of one prompt and their scores, both in the order given; ``best`` is the index of the highest."""

    candidates: tuple[str, ...]
    scores: list[float]

    @property
    def best(self) -> int:
        """Index of the most likely candidate."""
        return max(range(len(self.scores)), key=self.scores.__getitem__)

    @property
    def answer(self) -> str:
        """The most likely candidate."""
        return self.candidates[self.best]

    @property
    def order(self) -> list[int]:
        """Indices from the most to the least likely."""
        return sorted(range(len(self.scores)), key=self.scores.__getitem__, reverse=True)


@dataclass(frozen=True)
class RankOptions:
    """How a candidate's token log-probabilities become its score.

    closing_token: whether the closing token counts. None does as published: yes for encoder-decoders (T5), no for
        decoder-only models (LAVIS predict_class). reduce: "sum" as published, or "mean" over the counted tokens.
    top: score so many of the best exactly and give the others -inf, which takes a fraction of the time; None: all.
    """

    closing_token: bool | None = None
    reduce: Literal["sum", "mean"] = "sum"
    top: int | None = None

    def __post_init__(self) -> None:
        if self.top is not None and (self.top < 1 or self.reduce == "mean"):
            raise InputError(f"top is {self.top} with reduce={self.reduce!r}; expected at least 1, and reduce='sum'.")
        if self.reduce not in ("sum", "mean"):
            raise InputError(f"Unknown reduce {self.reduce!r}; expected 'sum' or 'mean'.")


def candidate_lists(candidates: Candidates, prompts: int) -> list[tuple[str, ...]]:
    """One tuple of candidates a prompt; the same tuple object for all prompts where one list was given.

    Raises:
        InputError: no candidates, an empty or a repeated one, or another number of lists than prompts.
    """
    if isinstance(candidates, str):
        raise InputError(f"candidates is the string {candidates!r}; expected a list of strings.")
    if len(candidates) and all(isinstance(c, str) for c in candidates):
        shared = tuple(str(c) for c in candidates)
        check_candidates(shared)
        return [shared] * prompts
    lists = [tuple(str(c) for c in row) for row in candidates if not isinstance(row, str)]
    if len(lists) != len(candidates):
        raise InputError("candidates mixes strings and lists; give one list of strings, or one list a prompt.")
    if lists and len(lists) != prompts:
        raise InputError(f"There are {len(lists)} candidate lists for {prompts} prompts; give one list a prompt.")
    for row in lists or [()]:
        check_candidates(row)
    return lists


def check_candidates(candidates: Sequence[str]) -> None:
    """Raise InputError for a list that cannot be ranked."""
    if not candidates:
        raise InputError("There are no candidates to rank; give at least one answer.")
    for index, candidate in enumerate(candidates):
        if not candidate.strip():
            raise InputError(f"Candidate {index + 1} of {len(candidates)} is empty; remove it or write it out.")
    if len(set(candidates)) != len(candidates):
        twice = next(c for c in candidates if list(candidates).count(c) > 1)
        raise InputError(f"Candidate {twice!r} is given more than once; give each candidate once.")


@torch.inference_mode()
def rank_batch(
    model: VisionLanguageModel,
    processor: Processor,
    samples: Sequence[Encoded],
    candidates: Sequence[tuple[str, ...]],
    options: RankOptions,
) -> list[Ranking]:
    """Rank each sample's candidates; image, Q-Former and prompt run once a sample."""
    closing = processor.encoder_decoder if options.closing_token is None else options.closing_token
    sequences: dict[tuple[str, ...], list[list[int]]] = {}
    for row in candidates:
        if row not in sequences:
            sequences[row] = [_candidate_ids(processor, candidate, closing) for candidate in row]
    side: Side = "right" if processor.encoder_decoder else "left"
    batch = processor.collate(samples, side).to(model.device)
    scores = score_all(model, samples, batch, [sequences[row] for row in candidates], options.top)
    if options.reduce == "mean":
        for row, values in zip(candidates, scores, strict=True):
            values[:] = [value / len(ids) for value, ids in zip(values, sequences[row], strict=True)]
    return [Ranking(row, values) for row, values in zip(candidates, scores, strict=True)]


def _candidate_ids(processor: Processor, candidate: str, closing: bool) -> list[int]:
    ids = processor.target_ids(candidate, closing)
    if len(ids) == int(closing):
        raise InputError(f"Candidate {candidate!r} has no tokens in this model's vocabulary; word it differently.")
    return ids
