"""Vocabulary ranking (InstructBLIP section 2.5): which candidate the model finds most likely after the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from vistune.errors import InputError
from vistune.infer.levels import encode_prompts, score_levels, score_paths
from vistune.infer.prefix import shared_beginning
from vistune.infer.tree import read_prompts, score_trees
from vistune.infer.trie import Trie, build_tries

if TYPE_CHECKING:
    from vistune.data.batch import Batch, Encoded, Side
    from vistune.data.processor import Processor
    from vistune.model.vlm import VisionLanguageModel

Candidates = Sequence[str] | Sequence[Sequence[str]]

# One forward holds at most this many nodes in a row (the tree mask grows with the square) ...
MAX_ROW_NODES = 512
# ... and at most this many logits over all rows (128 MiB in float32).
MAX_LOGITS = 32 * 2**20


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
    """

    closing_token: bool | None = None
    reduce: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
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
    scores: list[list[float]] = [[0.0] * len(row) for row in candidates]
    side: Side = "right" if processor.encoder_decoder else "left"
    _score_all(model, samples, processor.collate(samples, side).to(model.device), candidates, sequences, scores)
    if options.reduce == "mean":
        for row, values in zip(candidates, scores, strict=True):
            values[:] = [value / len(ids) for value, ids in zip(values, sequences[row], strict=True)]
    return [Ranking(row, values) for row, values in zip(candidates, scores, strict=True)]


def _candidate_ids(processor: Processor, candidate: str, closing: bool) -> list[int]:
    ids = processor.target_ids(candidate, closing)
    if len(ids) == int(closing):
        raise InputError(f"Candidate {candidate!r} has no tokens in this model's vocabulary; word it differently.")
    return ids


def _score_all(
    model: VisionLanguageModel,
    samples: Sequence[Encoded],
    batch: Batch,
    candidates: Sequence[tuple[str, ...]],
    sequences: dict[tuple[str, ...], list[list[int]]],
    scores: list[list[float]],
) -> None:
    """Fill ``scores`` part by part: every part is one trie of a prompt, sized so that memory stays bounded."""
    language = model.language
    embeds = model.embed_inputs(**batch.embedding_inputs())
    max_nodes = max(1, min(MAX_ROW_NODES, MAX_LOGITS // int(model.config.language.vocab_size)))
    tries = {row: build_tries(ids, max_nodes) for row, ids in sequences.items()}
    state = (
        encode_prompts(language, embeds, batch.attention_mask)
        if language.is_encoder_decoder
        else read_prompts(
            language, embeds, batch.attention_mask, shared_beginning(model, samples, embeds, batch.attention_mask)
        )
    )
    for rows, parts in _schedule([tries[row] for row in candidates], max_nodes):
        if language.is_encoder_decoder:
            values = score_levels(language, state.rows(rows), parts)  # type: ignore[arg-type]
        elif state.growing:  # type: ignore[union-attr]
            values = score_trees(language, state.rows(rows), parts)  # type: ignore[arg-type]
        else:
            values = score_paths(language, embeds[rows], batch.attention_mask[rows], parts)
        for row, trie, sums in zip(range(rows.start, rows.stop), parts, values, strict=True):
            for member, value in zip(trie.members, sums, strict=True):
                scores[row][member] = value


def _schedule(tries: Sequence[list[Trie]], max_nodes: int) -> list[tuple[slice, list[Trie]]]:
    """Which tries run together: neighbouring prompts while their nodes fit, else one prompt's parts one by one."""
    steps: list[tuple[slice, list[Trie]]] = []
    row = 0
    while row < len(tries):
        if len(tries[row]) > 1:
            steps += [(slice(row, row + 1), [part]) for part in tries[row]]
            row += 1
            continue
        stop, width = row, 0
        while stop < len(tries) and len(tries[stop]) == 1:
            width = max(width, len(tries[stop][0]), 1)
            if stop > row and width * (stop + 1 - row) > max_nodes:
                break
            stop += 1
        steps.append((slice(row, stop), [parts[0] for parts in tries[row:stop]]))
        row = stop
    return steps
