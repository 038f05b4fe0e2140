"""What comes of each row of a batch, token by token: pieces of text, its own end, and what ended it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteria

from vistune.infer.generation import cut_at_closing
from vistune.infer.sampling import cut_at_stop
from vistune.infer.streaming import TextStreamer
from vistune.serve.jobs import Finished, Job, Piece, Reason

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vistune.data.processor import Processor


class Watch(StoppingCriteria):
    """Looks at every new token of a batch; a row ends when its own answer does, whatever the others do."""

    def __init__(self, jobs: Sequence[Job], processor: Processor) -> None:
        self.rows = [_Row(job, processor) for job in jobs]
        self._broken: Tensor | None = None

    @contextmanager
    def scores_of(self, language: nn.Module) -> Iterator[None]:
        """Look at a model's scores too: `generate_batch` says only behind the last token that some were NaN."""

        def note(module: nn.Module, arguments: Any, output: Any) -> None:
            self._broken = output.logits[:, -1].isnan().any(dim=-1)

        hook = language.register_forward_hook(note)
        try:
            yield
        finally:
            hook.remove()

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """[B] bool"""
        if input_ids.shape[0] == len(self.rows):
            tokens = input_ids[:, -1].tolist()
            broken = [False] * len(tokens) if self._broken is None else self._broken.tolist()
            done = [row.add(token, nan) for row, token, nan in zip(self.rows, tokens, broken, strict=True)]
        else:
            # Beams of each prompt, of which none is the answer yet.
            done = [all(row.job.cancelled.is_set() for row in self.rows)] * input_ids.shape[0]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)

    def finish(self, answers: Sequence[list[int]], pad_id: int) -> None:
        """What generation returned, for rows that were not watched (beams)."""
        for row, ids in zip(self.rows, answers, strict=True):
            row.finish(ids, pad_id)


class _Row:
    def __init__(self, job: Job, processor: Processor) -> None:
        self.job = job
        self.done = False
        self.spoken = False
        self.broken = False
        self._processor = processor
        self._ids: list[int] = []
        self._pieces: Queue[object] = Queue()
        self._streamer: TextStreamer | None = None
        if job.stream:
            self._streamer = TextStreamer(processor, job.settings.closing_ids, job.settings.stop, self._pieces)
            self._streamer.put(torch.empty(0))  # the prompt, which it waits for

    def add(self, token: int, broken: bool) -> bool:
        """Take in the next token; returns whether the row is over.

        One from scores that are no numbers is no answer: the row ends, but is not done.
        """
        self.broken |= broken and not self.done
        if self.broken:
            return True
        if self.done or self.job.cancelled.is_set():
            self.done = True
            return True
        self._ids.append(token)
        self._send([token])
        settings = self.job.settings
        if token in settings.closing_ids or self._stopped():
            self._end("stop", len(self._ids))
        elif len(self._ids) == settings.max_new_tokens:
            self._end("length", len(self._ids))
        return self.done

    def finish(self, ids: list[int], pad_id: int) -> None:
        """The whole answer at once, its closing token cut off."""
        if self.done or self.job.cancelled.is_set():
            return
        closed = len(ids) < (self.job.settings.max_new_tokens or 0)
        while ids and ids[-1] == pad_id:
            ids = ids[:-1]
        self._ids = ids
        self._send(ids)
        if self._stopped():
            self._end("stop", len(ids))
        else:
            self._end("stop" if closed else "length", len(ids) + closed)

    def _stopped(self) -> bool:
        """As `StopOnText` sees it."""
        stop = self.job.settings.stop
        if not stop:
            return False
        text = self._processor.tokenizer.decode(self._ids, skip_special_tokens=True)
        return any(mark in text for mark in stop)

    def _end(self, reason: Reason, tokens: int) -> None:
        self.done = True
        if self._streamer is not None:
            self._streamer.end()
            self._tell_pieces()
        ids = cut_at_closing(self._ids, self.job.settings.closing_ids)
        text = cut_at_stop(self._processor.decode(ids), self.job.settings.stop).strip()
        self.job.tell(Finished(text, tokens, reason))

    def _send(self, tokens: list[int]) -> None:
        if self._streamer is not None and tokens:
            self._streamer.put(torch.tensor(tokens))
            self._tell_pieces()

    def _tell_pieces(self) -> None:
        while not self._pieces.empty():
            self.spoken = True
            self.job.tell(Piece(str(self._pieces.get())))
