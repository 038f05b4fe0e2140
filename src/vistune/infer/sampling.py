"""Sampling, stopping and penalties as small pieces for transformers' generate, each independent of the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import Event
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from vistune.data.processor import Processor
from vistune.errors import CheckpointError
from vistune.infer.settings import SampleSettings


class GumbelSampler(LogitsProcessor):
    """Sampling as an argmax: logits plus Gumbel noise, drawn for every row from a stream of its own.

    The largest of log p_i + g_i is distributed as p, so transformers' greedy search then samples; and a row's draws
    depend on (seed, row) alone, not on its neighbours in the batch as torch.multinomial's would.
    """

    def __init__(self, settings: SampleSettings, seed: int, rows: Sequence[int]) -> None:
        self.warpers: list[LogitsProcessor] = []
        if settings.temperature != 1.0:
            self.warpers.append(TemperatureLogitsWarper(float(settings.temperature)))
        if settings.top_k:
            self.warpers.append(TopKLogitsWarper(settings.top_k))
        if settings.top_p < 1.0:
            self.warpers.append(TopPLogitsWarper(settings.top_p))
        self.generators = [torch.Generator().manual_seed(stream_seed(seed, row)) for row in rows]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores [B, V] -> perturbed [B, V]"""
        for warper in self.warpers:
            scores = warper(input_ids, scores)
        noise = torch.stack([torch.rand(scores.shape[1], generator=g, dtype=torch.float64) for g in self.generators])
        gumbel = -torch.log(-torch.log(noise.clamp_min(1e-300)))
        return scores + gumbel.to(scores.device, scores.dtype)


class NumbersOnly(LogitsProcessor):
    """Notes whether a model's scores are numbers: of NaN transformers makes an answer in silence.

    Looked at once, behind the last token, as each look makes an accelerator wait.
    """

    def __init__(self) -> None:
        self._broken: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores [B, V] as they are"""
        broken = scores.isnan().any()
        self._broken = broken if self._broken is None else self._broken | broken
        return scores

    def check(self) -> None:
        """Raise CheckpointError if a score was none."""
        if self._broken is not None and bool(self._broken):
            raise CheckpointError(
                "The model's scores of the next token are NaN; its weights are damaged, or it needs numbers of a wider "
                "range (--dtype float32, or bfloat16)."
            )


class AnswerRepetitionPenalty(LogitsProcessor):
    """repetition_penalty over the answer alone (LAVIS generates from embeddings, so it never sees the prompt)."""

    def __init__(self, penalty: float, prompt_columns: int) -> None:
        self.penalty = penalty
        self.prompt_columns = prompt_columns

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores [B, V] -> penalised [B, V]"""
        answer = input_ids[:, self.prompt_columns :]
        picked = scores.gather(1, answer)
        return scores.scatter(1, answer, torch.where(picked < 0, picked * self.penalty, picked / self.penalty))


class StopOnText(StoppingCriteria):
    """A row ends when its new text contains one of the strings."""

    def __init__(self, processor: Processor, stop: Sequence[str], prompt_columns: int) -> None:
        self.processor = processor
        self.stop = stop
        self.prompt_columns = prompt_columns

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """[B] bool"""
        rows = input_ids[:, self.prompt_columns :].tolist()
        texts = [self.processor.tokenizer.decode(row, skip_special_tokens=True) for row in rows]
        done = [any(mark in text for mark in self.stop) for text in texts]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)


class StopOnEvent(StoppingCriteria):
    """Everything ends when somebody sets the event (a reader who left a stream)."""

    def __init__(self, event: Event) -> None:
        self.event = event

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """[B] bool"""
        return torch.full((input_ids.shape[0],), self.event.is_set(), dtype=torch.bool, device=input_ids.device)


def stream_seed(seed: int, row: int) -> int:
    """One 63-bit seed for a row; a hash, so that neighbouring rows and seeds have unrelated streams."""
    digest = hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """Text before the earliest stop string."""
    ends = [text.index(mark) for mark in stop if mark in text]
    return text[: min(ends)] if ends else text
