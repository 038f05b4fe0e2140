"""What retrieval keeps of finished work, as lines of `vistune.evaluate.runner.store`.

{"key", "data"}         the embeddings of a picture or a text: float32, in base64
{"key", "of", "data"}   logits of one picture, ``of``, with some texts: a number and a float32 each, in base64

A logit belongs to model, picture and text alone, so it is kept whatever else is compared beside them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vistune.evaluate.runner.store import Answered, Writer, merge_parts

if TYPE_CHECKING:
    from vistune.train.parallel.processes import Processes

_DIGEST = 16
_NUMBER = 8
_PAIR = np.dtype([("text", "<u8"), ("logit", "<f4")])


@dataclass(frozen=True)
class Keys:
    """Names of what belongs to a model.

    Args:
        model: of `vistune.evaluate.runner.keys.stage1_key`.
    """

    model: str

    def image(self, content: bytes) -> str:
        """Of a picture's embeddings, by the hash of what it holds."""
        return self._key("image", content)

    def text(self, number: int) -> str:
        """Of a text's embedding, by its :func:`text_number`."""
        return self._key("text", number.to_bytes(_NUMBER))

    def matches(self, content: bytes) -> str:
        """Of all of a picture's logits."""
        return self._key("matches", content)

    def _key(self, kind: str, content: bytes) -> str:
        return hashlib.blake2b(f"{self.model} {kind} ".encode() + content, digest_size=_DIGEST).hexdigest()


def text_number(tokens: Sequence[int]) -> int:
    """What a text is called in 8 bytes, by its tokens."""
    return int.from_bytes(hashlib.blake2b(json.dumps(list(tokens)).encode(), digest_size=_NUMBER).digest())


def embedding_row(key: str, values: Tensor) -> Answered:
    """Embeddings of any shape, in float32 on the CPU."""
    return {"key": key, "data": base64.b64encode(values.contiguous().numpy().astype("<f4").tobytes()).decode()}


def embedding(row: Answered | None, shape: tuple[int, ...]) -> Tensor | None:
    """What :func:`embedding_row` kept; None where there is nothing, or nothing of that shape."""
    found = None if row is None else _decoded(row, np.dtype("<f4"))
    if found is None or found.size != int(np.prod(shape)):
        return None
    return torch.from_numpy(found.astype(np.float32)).view(shape)


def match_row(of: str, numbers: Sequence[int], logits: Tensor) -> Answered:
    """A picture's logits with some texts.

    Args:
        of: of :meth:`Keys.matches`. numbers: of the texts.
    """
    pairs = np.empty(len(numbers), _PAIR)
    pairs["text"] = np.array(numbers, dtype=np.uint64)
    pairs["logit"] = logits.numpy()
    # A picture has a line for each time that it was matched with further texts.
    key = hashlib.blake2b(of.encode() + pairs["text"].tobytes(), digest_size=_DIGEST).hexdigest()
    return {"key": key, "of": of, "data": base64.b64encode(pairs.tobytes()).decode()}


def fill(logits: Tensor, rows: Iterable[Answered], pictures: Sequence[str], numbers: Sequence[int]) -> None:
    """Put logits that are known into their places.

    Args:
        logits: [I, T], changed. pictures: of :meth:`Keys.matches`, each once. numbers: of texts, each once.
    """
    places = {of: place for place, of in enumerate(pictures)}
    known = np.array(numbers, dtype=np.uint64)
    order = known.argsort()
    into = logits.numpy()
    for row in rows:
        place = places.get(row.get("of", ""))
        pairs = None if place is None else _decoded(row, _PAIR)
        if pairs is None:
            continue
        columns = order[np.searchsorted(known, pairs["text"], sorter=order).clip(max=len(order) - 1)]
        there = known[columns] == pairs["text"]
        into[place, columns[there]] = pairs["logit"][there]


class Work:
    """Lines of this run beside those of earlier ones.

    Attributes:
        known: all lines by key, on the main process. embedded: the pictures that were encoded in this run, and by whom.
    """

    def __init__(self, folder: Path, processes: Processes) -> None:
        self._folder = folder
        self._processes = processes
        self._writer = Writer(folder, processes.rank)
        self._mine: list[Answered] = []
        self.known: dict[str, Answered] = merge_parts(folder) if processes.is_main else {}
        self.embedded: dict[int, int] = {}

    def add(self, rows: Sequence[Answered]) -> None:
        """On disk at once."""
        self._writer.add(rows)
        self._mine += rows

    def join(self) -> None:
        """All processes' lines to the main one."""
        for part in self._processes.collect(self._mine):
            if self._processes.is_main:
                self.known.update((row["key"], row) for row in part)
        self._mine = []

    def embeddings(self, keys: Sequence[str], shape: tuple[int, ...]) -> Tensor:
        """Those of pictures or texts, after they were joined: [n, *shape]"""
        found = [embedding(self.known[key], shape) for key in keys]
        return torch.stack([one for one in found if one is not None])

    def keep(self) -> None:
        """One whole file for the next run; the main process calls it when all are done."""
        merge_parts(self._folder, self.known)

    def close(self) -> None:
        """No more is added."""
        self._writer.close()


def _decoded(row: Answered, kind: np.dtype[Any]) -> NDArray[Any] | None:
    """None where the line is damaged: that work is done again."""
    try:
        return np.frombuffer(base64.b64decode(row["data"], validate=True), kind)
    except (binascii.Error, ValueError, KeyError):
        return None
