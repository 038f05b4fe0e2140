"""Text as it comes: the pieces of a stream join to exactly what ``generate`` returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from threading import Event, Thread
from typing import TYPE_CHECKING

from transformers.generation.streamers import BaseStreamer

from vistune.infer.sampling import cut_at_stop

if TYPE_CHECKING:
    from torch import Tensor

    from vistune.data.processor import Processor


BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class TextStreamer(BaseStreamer):
    """Collects new ids from transformers' generate and queues the text that can no longer change."""

    def __init__(
        self, processor: Processor, closing_ids: Sequence[int], stop: Sequence[str], queue: Queue[object]
    ) -> None:
        self.processor = processor
        self.closing_ids = closing_ids
        self.stop = stop
        self.queue = queue
        self.ids: list[int] = []
        self.sent = 0
        self.closed = False
        self.prompt_seen = False

    def put(self, value: Tensor) -> None:
        """Called with the prompt's ids first, then with each new id."""
        if not self.prompt_seen:
            self.prompt_seen = True
            return
        for token in value.flatten().tolist():
            self.closed = self.closed or token in self.closing_ids
            if not self.closed:
                self.ids.append(token)
        self._send(self._settled())

    def end(self) -> None:
        """Called when generation is over."""
        self._send(self.text(self.ids))

    def text(self, ids: list[int]) -> str:
        """What generate would return for these ids."""
        return cut_at_stop(self.processor.decode(ids), self.stop).strip()

    def _send(self, text: str) -> None:
        if len(text) > self.sent:
            self.queue.put(text[self.sent :])
            self.sent = len(text)

    def _settled(self) -> str:
        """Without what may still change: characters in single bytes, half a character, the start of a stop string."""
        ids = self.ids
        while ids and BYTE_TOKEN.fullmatch(self.processor.tokenizer.convert_ids_to_tokens(ids[-1]) or ""):
            # A run of byte tokens is decoded as a whole: one more byte can turn the whole run into something else.
            ids = ids[:-1]
        text = self.text(ids).rstrip("\ufffd")
        # The longest beginning of any: a shorter one of another string may stand inside it.
        held = max((_begun(text, mark) for mark in self.stop), default=0)
        return text[: len(text) - held].rstrip()


def _begun(text: str, mark: str) -> int:
    """How much of a stop string, less than all of it, the text ends with."""
    lengths = range(min(len(mark) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(mark[:length])), 0)


def iterate(run: Callable[[Event], None], queue: Queue[object]) -> Iterator[str]:
    """Run a generation in a thread and yield what it queues; its errors are raised here.

    Args:
        run: does the work and looks at the event, which is set when the reader leaves early.
    """
    stop, done = Event(), object()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            run(stop)
        except BaseException as error:  # handed to the reader, who raises it
            failure.append(error)
        finally:
            queue.put(done)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while (piece := queue.get()) is not done:
            yield str(piece)
    finally:
        stop.set()
        thread.join()
    if failure:
        raise failure[0]
